/** `overfill run`: its flags, and what they mean to the API. */

import { type Command, Option } from "commander";
import type {
  CacheType,
  DecodeOptions,
  DecodeSource,
  GpuOption,
  LayerMap,
  LoadPairOptions,
  ModelSource,
} from "../../../engine/index.js";
import {
  appendLogitBias,
  appendText,
  cacheTypeFlags,
  decodeCacheTypeFlags,
  given,
  gpuFlag,
  parseLayers,
  parseNumber,
  threadsFlag,
  toTranslator,
  translatorFlags,
} from "../../flags.js";

/** The flags as commander hands them over. */
export interface RunFlags {
  readonly prefill?: string;
  readonly decode?: string;
  readonly prompt?: string;
  readonly file?: string;
  readonly temp?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly repeatPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly repeatLastN?: number;
  readonly seed?: number;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly refreshInterval?: number;
  readonly grammar?: string;
  readonly grammarFile?: string;
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly context?: number;
  readonly threads?: number;
  readonly batch?: number;
  readonly gpu?: "auto" | "cuda" | "metal" | "vulkan" | "off";
  readonly gpuLayers?: number | "all";
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  readonly flashAttention?: "auto" | "on" | "off";
  readonly decodeCacheTypeK?: CacheType;
  readonly decodeCacheTypeV?: CacheType;
  readonly handover?: "auto" | "share" | "translate";
  readonly implementation?: "auto" | "cpu" | "graph" | "cuda" | "metal";
  readonly translator?: string;
  readonly layerMap?: LayerMap;
  readonly ignoreEos?: boolean;
  readonly special?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

const examples = `
Examples:
  overfill run                                        the demo pair on a little table
  overfill run --prefill full.gguf --decode small.gguf -p "Once upon a time"
  overfill run --prefill q8_0.gguf --decode q4_0.gguf -f prompt.txt --temp 0 --max-tokens 200
  cat prompt.txt | overfill run --prefill model.gguf --json

The prompt goes to the model as it is: no chat template is put around it. Text such as <|im_end|> in it becomes the
control token of that name. One line break at the end of a file or of stdin is dropped.

The answer goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addRunCommand(program: Command): Command {
  const command = program
    .command("run")
    .description("read a prompt with the prefill model and write the answer with the decode model")
    .addHelpText("after", examples);
  command
    .optionsGroup("Models and prompt:")
    .option("--prefill <file>", "GGUF file of the full model, which reads (default: the demo pair)")
    .option("--decode <file>", "GGUF file of the small model, which writes (default: the prefill model)")
    .addOption(new Option("-p, --prompt <text>", "the prompt").conflicts("file"))
    .option("-f, --file <file>", 'file with the prompt, "-" for stdin (default: stdin if it is piped)');
  command
    .optionsGroup("Answer:")
    .option("--max-tokens <n>", "end after so many tokens", parseNumber)
    .option("--stop <text>", "end before this text; repeatable", appendText)
    .option("--refresh-interval <n>", "let the full model read every n tokens again (default: never)", parseNumber)
    .option("--temp <t>", "temperature; 0 takes the likeliest token (default: 0.8; demo pair: 0)", parseNumber)
    .option("--top-k <k>", "sample from the k likeliest tokens; 0 is off (default: 40)", parseNumber)
    .option("--top-p <p>", "sample from the likeliest that reach this probability (default: 0.95)", parseNumber)
    .option("--min-p <p>", "least share of the likeliest token's probability (default: 0.05)", parseNumber)
    .option("--typical-p <p>", "locally typical sampling; 1 is off (default: 1)", parseNumber)
    .option("--repeat-penalty <x>", "divides the logits of recent tokens; 1 is off (default: 1)", parseNumber)
    .option("--presence-penalty <x>", "subtracted once from recent tokens (default: 0)", parseNumber)
    .option("--frequency-penalty <x>", "subtracted per occurrence from recent tokens (default: 0)", parseNumber)
    .option("--repeat-last-n <n>", "how many tokens are recent; -1 is all (default: 64)", parseNumber)
    .option("--seed <n>", "same seed, same answer (default: random)", parseNumber)
    .option("--logit-bias <token=value>", "added to a token id's logit, -inf forbids it; repeatable", appendLogitBias)
    .addOption(new Option("--grammar <gbnf>", "GBNF grammar that the answer follows").conflicts("grammarFile"))
    .option("--grammar-file <file>", "file with such a grammar")
    .option("--ignore-eos", "go on past the end of the answer")
    .option("--special", "show control tokens in the text");
  command
    .optionsGroup("Computing:")
    .option("--context <tokens>", "room for prompt and answer (default: as trained, at most 4096)", parseNumber)
    .addOption(threadsFlag())
    .option("--batch <tokens>", "prompt tokens read at once (default: 512)", parseNumber)
    .addOption(gpuFlag())
    .option("--gpu-layers <n>", "layers of each model on the GPU, or all (default: all)", parseLayers);
  for (const flag of cacheTypeFlags()) command.addOption(flag);
  command
    .addOption(
      new Option("--flash-attention <mode>", "attention without a score matrix (default: auto)").choices([
        "auto",
        "on",
        "off",
      ]),
    )
    .addOption(
      new Option("--handover <kind>", "how the KV cache goes over (default: auto)").choices([
        "auto",
        "share",
        "translate",
      ]),
    )
    .addOption(
      new Option("--implementation <kind>", "what translates it where it is not shared (default: auto)").choices([
        "auto",
        "cpu",
        "graph",
        "cuda",
        "metal",
      ]),
    );
  for (const flag of [...decodeCacheTypeFlags(), ...translatorFlags()]) command.addOption(flag);
  command
    .optionsGroup("Output:")
    .option("--json", "print one JSON object in place of the text")
    .option("--quiet", "no progress bar and no summary")
    .option("--no-progress", "no progress bar");
  return command;
}

/** Options of `loadPair`; with no model named, those of the demo pair. */
export function toLoadOptions(
  flags: RunFlags,
  demoPair: Required<Pick<LoadPairOptions, "prefill" | "decode">>,
): LoadPairOptions {
  const source = (model: ModelSource["model"]) => given<ModelSource>({ model, gpuLayers: flags.gpuLayers });
  const demo = flags.prefill === undefined;
  const decode = demo ? demoPair.decode.model : flags.decode;
  return given<LoadPairOptions>({
    prefill: source(flags.prefill ?? demoPair.prefill.model),
    decode:
      decode === undefined
        ? undefined
        : given<DecodeSource>({
            ...source(decode),
            cacheTypeK: flags.decodeCacheTypeK,
            cacheTypeV: flags.decodeCacheTypeV,
            flashAttention: undefined,
          }),
    contextSize: flags.context,
    threads: flags.threads,
    batchSize: flags.batch,
    gpu: flags.gpu === "off" ? false : (flags.gpu satisfies GpuOption | undefined),
    cacheTypeK: flags.cacheTypeK,
    cacheTypeV: flags.cacheTypeV,
    flashAttention: flags.flashAttention === "auto" ? "auto" : flags.flashAttention && flags.flashAttention === "on",
    handover: flags.handover,
    implementation: flags.implementation,
    translator: toTranslator(flags),
  });
}

/** Options of `decode`, but the grammar, which may come from a file. */
export function toDecodeOptions(flags: RunFlags): DecodeOptions {
  return given<DecodeOptions>({
    temperature: flags.temp ?? (flags.prefill === undefined ? 0 : undefined),
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    typicalP: flags.typicalP,
    repeatPenalty: flags.repeatPenalty,
    presencePenalty: flags.presencePenalty,
    frequencyPenalty: flags.frequencyPenalty,
    repeatLastN: flags.repeatLastN,
    seed: flags.seed,
    logitBias: flags.logitBias,
    grammar: flags.grammar,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
    ignoreEos: flags.ignoreEos,
    special: flags.special,
    refreshInterval: flags.refreshInterval,
    logProbs: undefined,
    signal: undefined,
  });
}
