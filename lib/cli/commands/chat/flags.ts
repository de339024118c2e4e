/** `overfill chat`: its flags, and what they mean to the API. */

import type { Command } from "@commander-js/extra-typings";
import type { SendOptions } from "../../../chat/index.js";
import { chatFlags } from "../../chat-flags.js";
import { appendText, type FlagsOf, given, helpText, parseNumber } from "../../flags.js";
import { pairComputingFlags, pairFlags, samplingFlags, toSamplingOptions } from "../../pair-flags.js";
import { pairFolderHelp } from "../../pair-folder.js";

export type ChatCommandFlags = FlagsOf<typeof addChatCommand>;

const explanation = `
Examples:
  overfill chat --prefill full.gguf --decode small.gguf --system "You are brief."
  overfill chat pair/
  overfill chat --prefill model.gguf --tool-server "npx -y @modelcontextprotocol/server-filesystem ."
  printf "%s\\n" "A question" "Another one" | overfill chat --prefill model.gguf > answers.txt

Each line is a message. A line that begins with / is a command: /help lists them. Ctrl-C stops an answer and keeps the
conversation; at the prompt, it ends it.

A tool server is any MCP server that speaks over stdin and stdout. It needs the package @modelcontextprotocol/sdk.

The answers go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addChatCommand(program: Command) {
  const command = program
    .command("chat")
    .description("talk to a pair in the terminal, or a line at a time through a pipe")
    .argument("[pair]", pairFolderHelp)
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models and chat:");
  const chatting = chatFlags(pairFlags(command))
    .option(
      "--tool-server <command>",
      "command that runs an MCP server, whose tools the model may call; repeatable",
      appendText,
    )
    .option(
      "--max-steps <n>",
      "runs of the model in one answer, with results of tools between them (default: 8)",
      parseNumber,
    );
  return pairComputingFlags(samplingFlags(chatting))
    .optionsGroup("Output:")
    .option("--quiet", "nothing but the answers")
    .option("--no-progress", "no progress bar");
}

/** Options of `Chat.send`. */
export const toSendOptions = (flags: ChatCommandFlags): SendOptions =>
  given<SendOptions>({
    ...toSamplingOptions(flags),
    maxSteps: flags.maxSteps,
    tools: undefined,
    toolChoice: undefined,
    parallelToolCalls: undefined,
    reasoning: undefined,
    // A conversation is not over because it is long.
    overflow: "drop-oldest",
    schema: undefined,
    grammar: undefined,
    logProbs: undefined,
    signal: undefined,
  });
