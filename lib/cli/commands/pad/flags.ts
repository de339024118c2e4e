/** `overfill pad`: its flags, and what they mean to the API. */

import type { Command } from "@commander-js/extra-typings";
import type { PadOptions } from "../../../prune/index.js";
import {
  type FlagsOf,
  given,
  helpText,
  outputFlags,
  parseModelFile,
  parseNumber,
  threadsFlag,
  toModelType,
} from "../../flags.js";

export type PadFlags = FlagsOf<typeof addPadCommand>;

const explanation = `
Brings the hidden and the feed-forward width up to the next multiple with channels that are zero, and scales the norms so
that the model computes what it did. A width such as 1689, which no quantised type can store, becomes 1792.

Examples:
  overfill pad decode.gguf --multiple 256
  overfill pad decode.gguf -o decode-q4.gguf --quantize q4_k_m

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addPadCommand(program: Command) {
  const command = program
    .command("pad")
    .description("make a model with odd widths quantisable without changing what it computes")
    .argument("<model>", "GGUF file of the model")
    .addHelpText("after", helpText(explanation))
    .option(
      "-o, --out <file>",
      "where to write the model (default: <model>-padded.gguf, which must not exist)",
      parseModelFile,
    )
    .option("--multiple <n>", "round widths up to a multiple of n (default: 256)", parseNumber)
    .option("--quantize <type>", "type of the model that is written: f16, q8_0, q4_k_m, ... (default: same)")
    .option("--max-part-size <n>", "split it into files of at most this size, such as 2GB (default: one file)")
    .option("--name <text>", "its general.name (default: made from the model's)")
    .addOption(threadsFlag());
  return outputFlags(command);
}

/** Options of `pad`, but the signal and the progress. */
export function toPadOptions(model: string, out: string, flags: PadFlags): PadOptions {
  return given<PadOptions>({
    model,
    out,
    multiple: flags.multiple,
    quantize: toModelType(flags.quantize),
    maxPartBytes: flags.maxPartSize,
    name: flags.name,
    threads: flags.threads,
    onProgress: undefined,
    signal: undefined,
  });
}
