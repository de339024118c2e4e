/** `overfill prune`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { PruneOptions } from "../../../prune/index.js";
import { UsageError } from "../../exit.js";
import {
  computingFlags,
  type FlagsOf,
  given,
  helpText,
  outputFlags,
  parseLayersKept,
  parseNumber,
  toGpu,
  toModelType,
} from "../../flags.js";

export type PruneFlags = FlagsOf<typeof addPruneCommand>;

const explanation = `
A size is a share that goes, below 1 (0.45 leaves 55%), or a whole number that stays. The model reads the text, the
channels, heads and layers that matter least go, and the rest is written. The KV cache keeps its shape unless --kv-heads
asks otherwise, and the file tells which layers went, so that overfill run shares the cache between the two models.

Examples:
  overfill prune full.gguf -o decode.gguf --hidden 0.45 --ffn 0.45 --text calibration.txt
  overfill prune full.gguf -o decode.gguf --target-size 1.0B --text calibration.txt --save-importance full.importance.gguf
  overfill prune full.gguf -o decode.gguf --target-bytes 900MB --importance full.importance.gguf --quantize q4_k_m
  overfill prune full.gguf -o decode.gguf --layers 0.5 --layer-rule firstlast

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addPruneCommand(program: Command) {
  const command = program
    .command("prune")
    .description("make a smaller model of a model: the decode model of a pair")
    .argument("[model]", "GGUF file of the full model")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .option("-o, --out <file>", "where to write the model")
    .option("--text <file>", "text of the kind that the model is for, to measure importance and losses on")
    .option("--importance <file>", "importance measured before, in place of measuring it")
    .option("--save-importance <file>", "write what was measured, for other sizes later")
    .option("--architectures", "list the architectures that can be pruned, and end")
    .optionsGroup("Sizes:")
    .option("--hidden <size>", "width of the residual stream", parseNumber)
    .option("--ffn <size>", "width of the feed-forward networks", parseNumber)
    .option("--heads <size>", "query heads, of each KV head equally many", parseNumber)
    .option("--kv-heads <size>", "KV heads: the pair then needs a translator", parseNumber)
    .option("--layers <size>", "layers, or a list of those that stay such as 0,1,5", parseLayersKept)
    .addOption(
      new Option("--layer-rule <rule>", "which layers stay (default: firstlast)").choices([
        "first",
        "last",
        "firstlast",
        "influence",
      ] as const),
    )
    .addOption(
      new Option("--target-size <n>", "find the widths for at most so many parameters: 1.0B, 350M").conflicts(
        "targetBytes",
      ),
    )
    .option("--target-bytes <n>", "find the widths for at most so many bytes: 900MB, 1.5GiB")
    .option("--multiple <n>", "round widths to a multiple (default: 256, less for a small model)", parseNumber)
    .optionsGroup("Importance:")
    .addOption(
      new Option("--statistic <kind>", "a channel's mean, or the mean of its size (default: signed)").choices([
        "signed",
        "absolute",
      ] as const),
    )
    .addOption(
      new Option(
        "--hidden-scope <scope>",
        "score hidden channels over the whole model or by layer (default: model)",
      ).choices(["model", "layers"] as const),
    )
    .addOption(
      new Option("--ffn-scope <scope>", "feed-forward channels of each layer's own or common (default: layer)").choices(
        ["layer", "model"],
      ),
    )
    .addOption(
      new Option("--select <what>", "what stays; the others are baselines (default: important)").choices([
        "important",
        "random",
        "unimportant",
      ] as const),
    )
    .option("--seed <n>", "of a random choice (default: 1)", parseNumber)
    .option("--window <tokens>", "tokens of a sample (default: 512, or as trained if less)", parseNumber)
    .option("--windows-per-batch <n>", "samples read at once (default: as many as make 512 tokens)", parseNumber)
    .option("--max-samples <n>", "measure no more than so many samples (default: all)", parseNumber)
    .option("--no-measure", "do not measure the losses before and after")
    .optionsGroup("Model that is written:")
    .option("--quantize <type>", "its type: f32, f16, bf16, q8_0, q4_k_m, ..., same (default: f16)")
    .option("--no-compensate", "slice the norms as the reference does, without scaling them for the channels that go")
    .option("--max-part-size <n>", "split it into files of at most so many bytes: 2GB (default: one file)")
    .option("--name <text>", "its general.name (default: made from the full model's)");
  return outputFlags(computingFlags(command, { layers: "layers of the model on the GPU, or all (default: all)" }));
}

/** Options of `prune`, but the signal and the progress. Throws a UsageError where a flag is missing. */
export function toPruneOptions(model: string | undefined, flags: PruneFlags): PruneOptions {
  if (model === undefined) throw new UsageError("missing required argument 'model'");
  if (flags.out === undefined) throw new UsageError("required option '-o, --out <file>' not specified");
  const { hidden, ffn, heads, kvHeads, layers, targetSize, targetBytes } = flags;
  if ([hidden, ffn, heads, kvHeads, layers, targetSize, targetBytes].every((size) => size === undefined))
    throw new UsageError(
      "nothing to prune: give --hidden, --ffn, --heads, --kv-heads, --layers, --target-size or --target-bytes",
    );
  return given<PruneOptions>({
    model,
    gpuLayers: flags.gpuLayers,
    out: flags.out,
    hidden,
    ffn,
    heads,
    kvHeads,
    layers,
    layerRule: flags.layerRule,
    targetSize,
    targetBytes,
    text: flags.text,
    importance: flags.importance,
    saveImportance: flags.saveImportance,
    multiple: flags.multiple,
    quantize: toModelType(flags.quantize),
    compensate: flags.compensate,
    statistic: flags.statistic,
    hiddenScope: flags.hiddenScope,
    ffnScope: flags.ffnScope,
    select: flags.select,
    seed: flags.seed,
    window: flags.window,
    windowsPerBatch: flags.windowsPerBatch,
    maxSamples: flags.maxSamples,
    measure: flags.measure,
    maxPartBytes: flags.maxPartSize,
    name: flags.name,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    signal: undefined,
  });
}
