/** `overfill inspect`: its flags. */

import type { Command } from "@commander-js/extra-typings";
import { adapterFlags } from "../../adapter-flags.js";
import { cacheFlags, type FlagsOf, helpText, parseNumber } from "../../flags.js";

export type InspectFlags = FlagsOf<typeof addInspectCommand>;

const explanation = `
Examples:
  overfill inspect model.gguf
  overfill inspect full.gguf small.gguf --context 8192
  overfill inspect --prefill full.gguf --decode small.gguf --translator maps.gguf
  overfill inspect base.gguf --decode-adapter tuned.gguf

Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addInspectCommand(program: Command) {
  const models = program
    .command("inspect")
    .description(
      "describe one or two models, whether they make a pair and why, and the memory they need; or a translator or an importance file",
    )
    .argument("[prefill]", "GGUF file of a model (of a pair, the one that reads), of a translator or of importance")
    .argument("[decode]", "GGUF file of the model that writes")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models:")
    .option("--prefill <file>", "the same as the first argument")
    .option("--decode <file>", "the same as the second argument");
  const command = adapterFlags(models).option(
    "--context <tokens>",
    "context size to estimate memory for (default: as trained, at most 4096)",
    parseNumber,
  );
  return cacheFlags(command)
    .optionsGroup("Output:")
    .option("--plot <file>", "draw a translator's error by layer into an SVG file")
    .option("--json", "print one JSON object instead of the tables");
}
