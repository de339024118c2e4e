/** `overfill serve`: its flags, and what they mean to the API. */

import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { AnswerDefaults } from "../../../server/index.js";
import { appendText, type FlagsOf, given, helpText, parseNumber } from "../../flags.js";
import { pairComputingFlags, pairFlags, samplingFlags, toSamplingOptions } from "../../pair-flags.js";
import { pairFolderHelp } from "../../pair-folder.js";

export type ServeFlags = FlagsOf<typeof addServeCommand>;

const units: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes, such as 12G. */
function parseSize(text: string): number {
  const [, count, unit = ""] = /^(\d+(?:\.\d+)?)([KMGT])?i?B?$/i.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError("Expected bytes, or such as 12G.");
  return Math.round(Number(count) * (units[unit.toUpperCase()] ?? 1));
}

const explanation = `
Examples:
  overfill serve --prefill full.gguf --decode small.gguf
  overfill serve pair/
  OVERFILL_API_KEYS=a-long-secret overfill serve --prefill model.gguf --host 0.0.0.0
  overfill serve --config overfill.config.json --models-max 2 --memory 12G

Programs that speak to OpenAI's API take http://127.0.0.1:8080/v1 as their base URL. What a flag says of answers (--temp and
the like) counts where a request says nothing. A model name with :exact behind it gives the full model's own answers.
In a browser, http://127.0.0.1:8080 is a page to chat in.

Only this machine can reach the server, unless --host says otherwise; then keys are needed: in OVERFILL_API_KEYS, with commas
between them, or in a file with one a line.

A line for each request goes to stderr. Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 failed, 2 wrong usage.`;

export function addServeCommand(program: Command) {
  const command = program
    .command("serve")
    .description("serve pairs to programs that speak to OpenAI's API")
    .argument("[pair]", pairFolderHelp)
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models:");
  const serving = pairFlags(command)
    .option("--name <name>", "what the model is called (default: the prefill file's name; demo pair: demo)")
    .option("--alias <name>", "a further name; repeatable", appendText)
    .option("--template <file>", 'file with a chat template in Jinja, or "chatml" (default: the model\'s own)')
    .option("--max-sessions <n>", "answers that are written at the same time (default: 4)", parseNumber)
    .option("--config <file>", "configuration file with several models, instead of --prefill")
    .option("--models-max <n>", "models that are loaded at a time (default: all)", parseNumber)
    .option(
      "--memory <size>",
      "for the loaded models' weights and caches, such as 12G (default: what there is)",
      parseSize,
    )
    .option("--host-process", "each model in a process of its own, whose crash costs requests and not the server")
    .optionsGroup("Server:")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <n>", "port to listen on; 0 takes a free one (default: 8080)", parseNumber)
    .option("--api-key-file <file>", "file with a key a line, of which a request must have one")
    .option("--tls-cert <file>", "certificate in PEM, to speak https:; with --tls-key")
    .option("--tls-key <file>", "its private key in PEM")
    .option(
      "--allowed-host <name>",
      "name that requests may be sent to; repeatable (default: this machine's)",
      appendText,
    )
    .option("--origin <origin>", "web page's origin that may ask, such as https://app.example; repeatable", appendText)
    .option("--max-waiting <n>", "requests that wait for a session; one more gets a 503 (default: 64)", parseNumber)
    .option("--grace <seconds>", "how long answers may go on after SIGTERM (default: 10)", parseNumber)
    .addOption(
      new Option("--log-format <format>", "lines of requests (default: text)").choices(["text", "json"] as const),
    )
    .option("--log-bodies", "also what requests say; users' words are in it")
    .option("--quiet", "no lines of requests")
    .option("--no-page", "no page to chat in at /");
  return pairComputingFlags(samplingFlags(serving)).optionsGroup("Output:").option("--no-progress", "no progress bar");
}

/** What counts where a request says nothing. */
export const toDefaults = (flags: ServeFlags): AnswerDefaults =>
  given<AnswerDefaults>({ ...toSamplingOptions(flags), grammar: undefined, reasoning: undefined, overflow: undefined });
