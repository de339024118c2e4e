/** `overfill fit`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { FitTranslatorOptions, ModelSource } from "../../../engine/index.js";
import {
  computingFlags,
  decodeGpuLayersFlag,
  type FlagsOf,
  given,
  helpText,
  layerMapFlag,
  outputFlags,
  parseModelFile,
  parseNumber,
  toDecodeSource,
  toGpu,
} from "../../flags.js";

export type FitFlags = FlagsOf<typeof addFitCommand>;

const explanation = `
Both models read the text. For every layer of the decode model, ridge regression finds the linear maps that take the
prefill model's K and V to the decode model's; a part of the text is held out to measure them. Give the file to
overfill run --translator; overfill inspect describes it.

Example:
  overfill fit --prefill 3b.gguf --decode 1b.gguf --text corpus.txt -o 3b-to-1b.gguf

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addFitCommand(program: Command) {
  const command = program
    .command("fit")
    .description("fit a translator, which turns one model's KV cache into another's, to a text")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models and files:")
    .requiredOption("--prefill <file>", "GGUF file of the model that reads")
    .requiredOption("--decode <file>", "GGUF file of the model that writes; the vocabularies must be equal")
    .requiredOption("--text <file>", "text of the kind that prompts will be, ideally a hundred thousand tokens or more")
    .requiredOption("-o, --out <file>", "where to write the translator", parseModelFile)
    .option("--max-tokens <n>", "read at most n tokens of the text (default: all)", parseNumber)
    .optionsGroup("Maps:")
    .addOption(
      layerMapFlag(
        "the layers of the prefill model that the decode model's take K and V from (default: the same; spaced if the depths differ)",
      ),
    )
    .addOption(
      new Option("--maps <kind>", "a map each for K and V, or one in common (default: separate)").choices([
        "separate",
        "common",
      ] as const),
    )
    .option("--no-before-rope", "map K as it is stored, with its position encoding")
    .option(
      "--lambda <x>",
      "regularisation relative to the variance; take more for little text (default: 0.0001)",
      parseNumber,
    )
    .option("--held-out <share>", "share of the text to hold out for measuring (default: 0.1)", parseNumber)
    .addOption(
      new Option("--weight-type <type>", "type of the weights in the file (default: f16)").choices([
        "f32",
        "f16",
        "q8_0",
      ] as const),
    );
  return outputFlags(
    computingFlags(command)
      .addOption(decodeGpuLayersFlag())
      .option("--chunk-size <tokens>", "tokens read at once (default: 512, or as trained if less)", parseNumber),
  );
}

/** Options of `fitTranslator`, but the signal and the progress. */
export function toFitOptions(flags: FitFlags): FitTranslatorOptions {
  return given<FitTranslatorOptions>({
    prefill: given<ModelSource>({ model: flags.prefill, gpuLayers: flags.gpuLayers, mmap: flags.mmap }),
    decode: toDecodeSource(flags.decode, flags),
    text: flags.text,
    out: flags.out,
    layers: flags.layerMap,
    maps: flags.maps,
    beforeRope: flags.beforeRope,
    chunkSize: flags.chunkSize,
    maxTokens: flags.maxTokens,
    lambda: flags.lambda,
    heldOut: flags.heldOut,
    weightType: flags.weightType,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    signal: undefined,
  });
}
