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
  parseModelFile,
  parseNumber,
  toGpu,
  toModelType,
} from "../../flags.js";

export type PruneFlags = FlagsOf<typeof addPruneCommand>;

const explanation = `
A size below 1 is the share to remove (0.45 leaves 55%); a whole number is how many to keep. The model reads the text, the
channels, heads and layers that matter least are removed, and the rest is written. The KV cache keeps its shape unless
--kv-heads asks otherwise, and the file says which layers were removed, so that overfill run shares the cache between the
two models.

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
    .option("-o, --out <file>", "where to write the model", parseModelFile)
    .option("--text <file>", "text of the kind that the model is for, to measure importance and losses on")
    .option("--importance <file>", "importance that was measured before, instead of measuring it again")
    .option("--save-importance <file>", "write what was measured, for other sizes later", parseModelFile)
    .option("--architectures", "list the architectures that can be pruned, and exit")
    .optionsGroup("Sizes:")
    .option("--hidden <size>", "width of the residual stream", parseNumber)
    .option("--ffn <size>", "width of the feed-forward networks", parseNumber)
    .option("--heads <size>", "query heads, equally many for each KV head", parseNumber)
    .option("--kv-heads <size>", "KV heads: the pair then needs a translator", parseNumber)
    .option("--layers <size>", "layers, or a list of those to keep such as 0,1,5", parseLayersKept)
    .addOption(
      new Option("--layer-rule <rule>", "which layers are kept (default: firstlast)").choices([
        "first",
        "last",
        "firstlast",
        "influence",
      ] as const),
    )
    .addOption(
      new Option(
        "--target-size <n>",
        "choose the widths for at most this many parameters, such as 1.0B or 350M",
      ).conflicts("targetBytes"),
    )
    .option("--target-bytes <n>", "choose the widths for at most this size, such as 900MB or 1.5GiB")
    .option("--multiple <n>", "round widths to a multiple (default: 256, less for a small model)", parseNumber)
    .optionsGroup("Importance:")
    .addOption(
      new Option(
        "--statistic <kind>",
        "score a channel by its mean or by the mean of its absolute values (default: signed)",
      ).choices(["signed", "absolute"] as const),
    )
    .addOption(
      new Option(
        "--hidden-scope <scope>",
        "score hidden channels over the whole model or by layer (default: model)",
      ).choices(["model", "layers"] as const),
    )
    .addOption(
      new Option(
        "--ffn-scope <scope>",
        "choose feed-forward channels for each layer or for all layers alike (default: layer)",
      ).choices(["layer", "model"]),
    )
    .addOption(
      new Option("--select <what>", "what is kept; the other choices are baselines (default: important)").choices([
        "important",
        "random",
        "unimportant",
      ] as const),
    )
    .option("--seed <n>", "seed of a random choice (default: 1)", parseNumber)
    .option("--window <tokens>", "tokens of a sample (default: 512, or as trained if less)", parseNumber)
    .option("--windows-per-batch <n>", "samples read at once (default: as many as make 512 tokens)", parseNumber)
    .option("--max-samples <n>", "measure at most n samples (default: all)", parseNumber)
    .option("--no-measure", "do not measure the losses before and after")
    .option("--again", "prune a model that was pruned and healed before once more")
    .optionsGroup("Model that is written:")
    .option("--quantize <type>", "its type: f32, f16, bf16, q8_0, q4_k_m, ..., same (default: f16)")
    .option("--no-compensate", "slice the norms as the reference does, without scaling them for the removed channels")
    .option("--max-part-size <n>", "split it into files of at most this size, such as 2GB (default: one file)")
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
      "nothing to prune: give --hidden, --ffn, --heads, --kv-heads, --layers, --target-size or --target-bytes; overfill quantize makes the whole model smaller",
    );
  return given<PruneOptions>({
    model,
    gpuLayers: flags.gpuLayers,
    mmap: flags.mmap,
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
    again: flags.again,
    maxPartBytes: flags.maxPartSize,
    name: flags.name,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    signal: undefined,
  });
}
