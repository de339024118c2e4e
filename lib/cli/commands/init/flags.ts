/** `overfill init`: its flags, and the kinds of programs that it writes. */

import { type Command, Option } from "@commander-js/extra-typings";
import { type FlagsOf, helpText } from "../../flags.js";

export type InitFlags = FlagsOf<typeof addInitCommand>;

/** Each is a folder of examples/. */
export const kinds = [
  ["chat", "a conversation in the terminal"],
  ["json", "an answer that is an object of a JSON schema"],
  ["tools", "functions of the program that the model may ask for"],
  ["agent", "the tools of an MCP server, over several steps"],
  ["http-stream", "a server on node:http that streams answers"],
  ["openai-server", "OpenAI's API, and a client of it"],
  ["worker", "the pair in a worker thread"],
  ["electron", "a desktop app, with the pair in a process of its own"],
  ["next", "a web app with Next.js"],
  ["remote-prefill", "a server that reads, and a process that writes"],
  ["make-a-pair", "a small model pruned and healed, in a minute on the demo's"],
] as const;

export type Kind = (typeof kinds)[number][0];

const explanation = `
Kinds:
${kinds.map(([kind, what]) => `  ${kind.padEnd(14)} ${what}`).join("\n")}

Examples:
  overfill init
  overfill init my-app --kind chat --prefill full.gguf --decode small.gguf

What is not given by a flag is asked for, in a terminal. Nothing is installed and nothing is downloaded.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addInitCommand(program: Command) {
  return program
    .command("init")
    .description("write a small program that uses a pair: a chat, a server, an agent, a desktop app, ...")
    .argument("[folder]", "where to write it; a folder that is there must be empty")
    .addHelpText("after", helpText(explanation))
    .addOption(new Option("--kind <kind>", "what the program is").choices(kinds.map(([kind]) => kind)))
    .option("--prefill <file>", "GGUF file of the model that reads (default: a name to be changed)")
    .option("--decode <file>", "GGUF file of the model that writes (default: the same as --prefill)");
}
