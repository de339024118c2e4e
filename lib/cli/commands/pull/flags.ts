/** `overfill pull`: its flags. */

import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { appendText, type FlagsOf, helpText, parseModelFile, parseNumber } from "../../flags.js";

export type PullFlags = FlagsOf<typeof addPullCommand>;

const explanation = `
Examples:
  overfill pull Qwen/Qwen2.5-1.5B-Instruct-GGUF --quant Q8_0,Q4_0
  overfill pull Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M
  overfill pull https://huggingface.co/ORG/NAME/resolve/main/FILE.gguf
  overfill pull https://example.com/FILE.gguf --sha256 DIGEST

Models of the Hub go into Hugging Face's own cache, where its tools and llama.cpp find them too; HF_HOME and HF_HUB_CACHE say
where that is, HF_ENDPOINT names another server, HF_TOKEN is for repositories that need one. A download that was stopped is
gone on with by the same command.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

function parseDigest(text: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new InvalidArgumentError("Expected 64 hexadecimal digits.");
  return text.toLowerCase();
}

function parseConnections(text: string): number {
  const value = parseNumber(text);
  if (!Number.isInteger(value) || value < 1 || value > 16)
    throw new InvalidArgumentError("Expected a whole number from 1 to 16.");
  return value;
}

export function addPullCommand(program: Command) {
  return program
    .command("pull")
    .description("download models from Hugging Face, or from any address")
    .argument("<source>", "repository such as ORG/NAME, or the address of a repository or of a file")
    .addHelpText("after", helpText(explanation))
    .option("--quant <names>", "quantisations, with commas between them, as the files' names say them", (text) =>
      text.split(","),
    )
    .option("--file <path>", "one file of the repository; repeatable", appendText)
    .option("--revision <name>", "branch, tag or commit (default: main)")
    .option("-o, --out <file>", "where to write the file of another server (default: its name, here)", parseModelFile)
    .option("--sha256 <digest>", "checksum of the file of another server", parseDigest)
    .option("--connections <n>", "parts of a file that are fetched at once (default: 4)", parseConnections)
    .optionsGroup("Output:")
    .option("--json", "print one JSON object instead of the table")
    .option("--quiet", "no progress bar and no result")
    .option("--no-progress", "no progress bar");
}
