/** `overfill fit`: its flags, and what they mean to the API. */

import { type Command, Option } from "commander";
import type { FitTranslatorOptions, GpuOption, LayerMap, ModelSource } from "../../../engine/index.js";
import { given, gpuFlag, parseLayerMap, parseLayers, parseNumber, threadsFlag } from "../../flags.js";

/** The flags as commander hands them over. */
export interface FitFlags {
  readonly prefill: string;
  readonly decode: string;
  readonly text: string;
  readonly out: string;
  readonly layerMap?: LayerMap;
  readonly maps?: "separate" | "common";
  readonly beforeRope: boolean;
  readonly lambda?: number;
  readonly heldOut?: number;
  readonly weightType?: "f32" | "f16" | "q8_0";
  readonly chunkSize?: number;
  readonly maxTokens?: number;
  readonly threads?: number;
  readonly gpu?: "auto" | "cuda" | "metal" | "vulkan" | "off";
  readonly gpuLayers?: number | "all";
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

const explanation = `
Both models read the text. For every layer of the decode model, ridge regression finds the linear maps that take the
prefill model's K and V to the decode model's; a part of the text is held out to measure them. The file goes to
overfill run --translator, and overfill inspect explains it.

Example:
  overfill fit --prefill 3b.gguf --decode 1b.gguf --text corpus.txt -o 3b-to-1b.gguf

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addFitCommand(program: Command): Command {
  const command = program
    .command("fit")
    .description("fit a translator, which turns one model's KV cache into another's, to a text")
    .addHelpText("after", explanation);
  command
    .optionsGroup("Models and files:")
    .requiredOption("--prefill <file>", "GGUF file of the model that reads")
    .requiredOption("--decode <file>", "GGUF file of the model that writes; the vocabularies must be equal")
    .requiredOption("--text <file>", "text of the kind that prompts will be, better a hundred thousand tokens than ten")
    .requiredOption("-o, --out <file>", "where to write the translator")
    .option("--max-tokens <n>", "read no more than so many tokens of the text (default: all)", parseNumber);
  command
    .optionsGroup("Maps:")
    .addOption(
      new Option(
        "--layer-map <layers>",
        "the prefill model's layers that the decode model's take K and V from: first, last, firstlast, spaced or a list (default: the same; spaced if the depths differ)",
      ).argParser(parseLayerMap),
    )
    .addOption(
      new Option("--maps <kind>", "a map each for K and V, or one in common (default: separate)").choices([
        "separate",
        "common",
      ]),
    )
    .option("--no-before-rope", "map K as it is stored, with its position encoding")
    .option("--lambda <x>", "ridge relative to the variance; larger for little text (default: 0.0001)", parseNumber)
    .option("--held-out <share>", "share of the text to measure on (default: 0.1)", parseNumber)
    .addOption(
      new Option("--weight-type <type>", "type of the weights in the file (default: f16)").choices([
        "f32",
        "f16",
        "q8_0",
      ]),
    );
  command
    .optionsGroup("Computing:")
    .option("--chunk-size <tokens>", "tokens read at once (default: 512, or as trained if less)", parseNumber)
    .addOption(threadsFlag())
    .addOption(gpuFlag())
    .option("--gpu-layers <n>", "layers of each model on the GPU, or all (default: all)", parseLayers);
  command
    .optionsGroup("Output:")
    .option("--json", "print one JSON object in place of the tables")
    .option("--quiet", "no progress bar and no result")
    .option("--no-progress", "no progress bar");
  return command;
}

/** Options of `fitTranslator`, but the signal and the progress. */
export function toFitOptions(flags: FitFlags): FitTranslatorOptions {
  const source = (model: string) => given<ModelSource>({ model, gpuLayers: flags.gpuLayers });
  return given<FitTranslatorOptions>({
    prefill: source(flags.prefill),
    decode: source(flags.decode),
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
    gpu: flags.gpu === "off" ? false : (flags.gpu satisfies GpuOption | undefined),
    onProgress: undefined,
    signal: undefined,
  });
}
