/** Flags of the commands that chat with a pair, and what they mean to the API. */

import { type Command, Option, type OptionValues } from "@commander-js/extra-typings";
import type { ChatOptions } from "../chat/index.js";
import { addFlags, type FlagsOf, given, parseNumber } from "./flags.js";

const addChat = (command: Command) =>
  command
    .option("--system <text>", "the system's message")
    .option(
      "--template <file>",
      'file with a chat template in Jinja, or "chatml" (default: the model\'s own; demo pair: chatml)',
    )
    .option("--no-reasoning", "switch reasoning off, where the template knows how")
    .addOption(
      new Option("--reasoning-budget <n>", "end reasoning after n tokens")
        .argParser(parseNumber)
        .conflicts("reasoning"),
    );

export type ChatFlags = FlagsOf<typeof addChat>;

/** What is put around the messages, and whether the model reasons. */
export const chatFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, addChat);

/** Options of `Pair.chat`, but the template, which may come from a file. */
export const toChatOptions = ({ system, reasoning, reasoningBudget }: ChatFlags): ChatOptions =>
  given<ChatOptions>({
    system,
    reasoning: reasoningBudget === undefined ? (reasoning ? undefined : false) : { budgetTokens: reasoningBudget },
    template: undefined,
    history: undefined,
    templateVariables: undefined,
    tools: undefined,
    toolChoice: undefined,
    parallelToolCalls: undefined,
    maxSteps: undefined,
    overflow: undefined,
  });
