/** Flags of the commands that chat with a pair, and what they mean to the API. */

import { type Command, Option, type OptionValues } from "@commander-js/extra-typings";
import type { ChatOptions } from "../chat/index.js";
import { addFlags, type FlagsOf, given, parseNumber } from "./flags.js";
import { readTextFile } from "./prompt-source.js";

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

/** Options of `Pair.chat`. Reads the template's file. */
export async function toChatOptions(
  flags: ChatFlags & { readonly prefill?: string },
  signal: AbortSignal,
): Promise<ChatOptions> {
  const { system, template, reasoning, reasoningBudget } = flags;
  return given<ChatOptions>({
    system,
    template:
      template === undefined || template === "chatml"
        ? // The demo pair has no template: it was not trained to chat.
          (template ?? (flags.prefill === undefined ? "chatml" : undefined))
        : await readTextFile(template, signal),
    reasoning: reasoningBudget === undefined ? reasoning && undefined : { budgetTokens: reasoningBudget },
    history: undefined,
    templateVariables: undefined,
    tools: undefined,
    toolChoice: undefined,
    parallelToolCalls: undefined,
    maxSteps: undefined,
    overflow: undefined,
  });
}
