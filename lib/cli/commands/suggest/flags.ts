/** `overfill suggest`: its flags. */

import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { type FlagsOf, helpText, parseNumber } from "../../flags.js";

export type SuggestFlags = FlagsOf<typeof addSuggestCommand>;

const explanation = `
Examples:
  overfill suggest
  overfill suggest ~/models /mnt/disk/gguf
  overfill suggest --context 16384 --json

It reads the heads of the GGUF files in the folders, in Hugging Face's cache and where llama.cpp, LM Studio and Ollama keep
theirs. Speeds are estimates: the memory's bandwidth, measured for half a second, over the bytes that are read for a token.
overfill bench measures a pair.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

function parseBandwidth(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

export function addSuggestCommand(program: Command) {
  return program
    .command("suggest")
    .description("look at this machine and at the models on it, and propose pairs with what to expect of them")
    .argument("[folders...]", "more folders, or files, to look at")
    .addHelpText("after", helpText(explanation))
    .option(
      "--context <tokens>",
      "context size to estimate memory for (default: as trained, at most 4096)",
      parseNumber,
    )
    .option("--bandwidth <GB/s>", "the memory's bandwidth (default: it is measured)", parseBandwidth)
    .optionsGroup("Output:")
    .option("--json", "print one JSON object instead of the text")
    .option("--no-progress", "no progress bar");
}
