/** The words of the command line: how a flag's text becomes a value, and which flag an option of the API is. */

import { type Command, InvalidArgumentError, Option, type OptionValues } from "@commander-js/extra-typings";
import type {
  AdapterSource,
  CacheType,
  DecodeQuality,
  DecodeSource,
  GpuOption,
  LayerMap,
  LoadPairOptions,
} from "../engine/index.js";
import type { ModelType } from "../prune/index.js";
import { UsageError } from "./exit.js";
import { reflow } from "./wrap.js";

const cacheTypes: readonly CacheType[] = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"];
const gpus = ["auto", "cuda", "metal", "vulkan", "off"] as const;
const switches = ["auto", "on", "off"] as const;

/** A decimal number; whether it is in range is the API's to say. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** Numbers with commas between them. */
export function parseNumbers(text: string): readonly number[] {
  return text.split(",").map(parseNumber);
}

/** `fast`, `exact` or the share of {@link DecodeQuality}. */
export function parseQuality(text: string): DecodeQuality {
  if (text === "fast" || text === "exact") return text;
  const acceptance = Number(text);
  if (text.trim() === "" || !Number.isFinite(acceptance))
    throw new InvalidArgumentError("Expected fast, exact or a share such as 0.3.");
  return { acceptance };
}

/** A number of layers, or `all`. */
export function parseLayers(text: string): number | "all" {
  return text === "all" ? text : parseNumber(text);
}

/** The name of a rule, or layers with commas between them. */
export function parseLayerMap(text: string): LayerMap {
  if (text === "first" || text === "last" || text === "firstlast" || text === "spaced") return text;
  if (!/^\d+(,\d+)*$/.test(text))
    throw new InvalidArgumentError("Expected first, last, firstlast, spaced or a list such as 0,2,5.");
  return text.split(",").map(Number);
}

/** A share that goes, a number that stays, or layers with commas between them. */
export function parseLayersKept(text: string): number | readonly number[] {
  if (/^\d+(,\d+)+$/.test(text)) return text.split(",").map(Number);
  if (/^\d*\.?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a share such as 0.5, a number of layers or a list such as 0,1,5.");
}

/** A file that is whole before it gets its name, which stdout can never be. */
export function parseModelFile(text: string): string {
  if (text === "-")
    throw new InvalidArgumentError("Expected the name of a file: a model is complete before it gets its name.");
  return text;
}

/** One more text of a flag that may come several times. */
export function appendText(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), text];
}

/** One more `TOKEN=VALUE`, the value a number, `inf` or `-inf`. */
export function appendLogitBias(
  text: string,
  previous: ReadonlyMap<number, number> | undefined,
): ReadonlyMap<number, number> {
  const match = /^(\d+)=(.+)$/.exec(text);
  if (!match?.[1] || !match[2]) throw new InvalidArgumentError("Expected TOKEN=VALUE with a token id.");
  const infinite = /^([+-]?)inf(inity)?$/i.exec(match[2]);
  const value = infinite ? Number(`${infinite[1]}Infinity`) : parseNumber(match[2]);
  return new Map([...(previous ?? []), [Number(match[1]), value]]);
}

/** The flags of a command as commander hands them over, inferred from their declaration. */
export type FlagsOf<Add extends (program: Command) => { opts(): OptionValues }> = Readonly<
  ReturnType<ReturnType<Add>["opts"]>
>;

/**
 * Adds flags that commands have in common. commander adds them to the very command that it is given; what they parse to
 * is inferred as if they stood alone, and joins what is there.
 */
export function addFlags<Args extends unknown[], Own extends OptionValues, Common extends OptionValues>(
  command: Command<Args, Own>,
  add: (command: Command) => Command<[], Common>,
): Command<Args, Own & Common> {
  add(command as unknown as Command);
  return command as unknown as Command<Args, Own & Common>;
}

/** Flags for the pair's caches and for the handover between them, which `run`, `eval` and `inspect` have in common. */
export function cacheFlags<Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) {
  return addFlags(command, (common) =>
    common
      .optionsGroup("KV cache and handover:")
      .addOption(new Option("--cache-type-k <type>", "type of K in the KV cache (default: f16)").choices(cacheTypes))
      .addOption(new Option("--cache-type-v <type>", "type of V in the KV cache (default: f16)").choices(cacheTypes))
      .addOption(
        new Option("--flash-attention <mode>", "attention without a score matrix (default: auto)").choices(switches),
      )
      .addOption(
        new Option("--decode-cache-type-k <type>", "type of K in the decode model's own cache").choices(cacheTypes),
      )
      .addOption(
        new Option("--decode-cache-type-v <type>", "type of V in the decode model's own cache").choices(cacheTypes),
      )
      .addOption(new Option("--decode-flash-attention <mode>", "the same for the decode model").choices(switches))
      .addOption(
        new Option(
          "--translator <file>",
          "file that turns the prefill model's KV cache into the decode model's",
        ).conflicts("layerMap"),
      )
      .addOption(layerMapFlag("the layers of the prefill model that the decode model's layers read")),
  );
}

/** Flags for how a handover is done, of the commands that do one. */
export function handoverFlags<Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) {
  return addFlags(command, (common) =>
    common
      .addOption(
        new Option("--handover <kind>", "how the KV cache is handed over (default: auto)").choices([
          "auto",
          "share",
          "translate",
        ] as const),
      )
      .addOption(
        new Option("--implementation <kind>", "what translates the cache if it is not shared (default: auto)").choices([
          "auto",
          "cpu",
          "graph",
          "cuda",
          "metal",
        ] as const),
      ),
  );
}

/** The rule by which the decode model's layers are given layers of the prefill model. */
export const layerMapFlag = (description: string) =>
  new Option("--layer-map <layers>", `${description}: first, last, firstlast, spaced or a list`).argParser(
    parseLayerMap,
  );

/**
 * Flags for where and with how many threads to compute, and for how the models get into memory.
 *
 * @param tiny what gets fewer threads by default
 * @param layers what `--gpu-layers` counts
 */
export function computingFlags<Args extends unknown[], Own extends OptionValues>(
  command: Command<Args, Own>,
  { tiny = "a tiny model", layers = "layers of each model on the GPU, or all (default: all)" } = {},
) {
  return addFlags(command, (common) =>
    common
      .optionsGroup("Computing:")
      .addOption(threadsFlag(tiny))
      .addOption(new Option("--gpu <kind>", "device family to run on (default: auto)").choices(gpus))
      .option("--gpu-layers <n>", layers, parseLayers)
      .option("--mmap", "map the models' files instead of reading them; they must stay as they are meanwhile")
      .addOption(new Option("--no-mmap", "read them (default)").hideHelp()),
  );
}

/** The number of threads, which is smaller by default for `tiny` models. */
export const threadsFlag = (tiny = "a tiny model") =>
  new Option("--threads <n>", `threads (default: the cores this process may use, fewer for ${tiny})`).argParser(
    parseNumber,
  );

/** The decode model's layers on the GPU, of the commands that load a pair. */
export const decodeGpuLayersFlag = () =>
  new Option("--decode-gpu-layers <n>", "the same for the decode model (default: as --gpu-layers)").argParser(
    parseLayers,
  );

/**
 * Flags for what is printed.
 *
 * @param text what `--json` takes the place of
 * @param quiet what `--quiet` suppresses
 */
export function outputFlags<Args extends unknown[], Own extends OptionValues>(
  command: Command<Args, Own>,
  { text = "the tables", quiet = "no progress bar and no result" } = {},
) {
  return addFlags(command, (common) =>
    common
      .optionsGroup("Output:")
      .option("--json", `print one JSON object instead of ${text}`)
      .option("--quiet", quiet)
      .option("--no-progress", "no progress bar"),
  );
}

/** The API's option for `--gpu`. */
export const toGpu = (gpu: (typeof gpus)[number] | undefined): GpuOption | undefined => (gpu === "off" ? false : gpu);

/** The API's option for `--flash-attention`. */
export const toFlashAttention = (mode: (typeof switches)[number] | undefined): boolean | "auto" | undefined =>
  mode === undefined || mode === "auto" ? mode : mode === "on";

/** The API's option for `--translator` and `--layer-map`. */
export function toTranslator(flags: {
  readonly translator?: string;
  readonly layerMap?: LayerMap;
}): LoadPairOptions["translator"] {
  return flags.layerMap === undefined ? flags.translator : { layers: flags.layerMap };
}

/** What the flags of {@link cacheFlags} and {@link computingFlags} say about the decode model. */
export interface DecodeFlags {
  readonly gpuLayers?: number | "all";
  readonly decodeGpuLayers?: number | "all";
  readonly mmap?: boolean;
  readonly decodeAdapter?: readonly AdapterSource[];
  readonly decodeCacheTypeK?: CacheType;
  readonly decodeCacheTypeV?: CacheType;
  readonly decodeFlashAttention?: (typeof switches)[number];
}

/** The API's option for the decode model. */
export function toDecodeSource(model: DecodeSource["model"], flags: DecodeFlags): DecodeSource {
  return given<DecodeSource>({
    model,
    gpuLayers: flags.decodeGpuLayers ?? flags.gpuLayers,
    mmap: flags.mmap,
    adapters: flags.decodeAdapter,
    cacheTypeK: flags.decodeCacheTypeK,
    cacheTypeV: flags.decodeCacheTypeV,
    flashAttention: toFlashAttention(flags.decodeFlashAttention),
  });
}

/** The options whose flag is not their name with dashes. */
const otherNames: Readonly<Record<string, string>> = {
  temperature: "--temp",
  contextSize: "--context",
  batchSize: "--batch",
  layers: "--layer-map",
  maxPartBytes: "--max-part-size",
  devices: "--remote",
};

/** The same, where a command has a word of its own for an option, or for one inside it. */
const namesOfCommand: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  chat: { "reasoning.budgetTokens": "--reasoning-budget" },
  run: { "reasoning.budgetTokens": "--reasoning-budget", schema: "--json-schema" },
  prune: { layers: "--layers", model: "<model>" },
  importance: { model: "<model>" },
  pad: { model: "<model>" },
  quantize: {
    model: "<model>",
    type: "<type>",
    tensorTypes: "--tensor-type",
    keepOutputTensor: "--leave-output-tensor",
  },
  heal: {
    student: "<student>",
    "student.gpuLayers": "--gpu-layers",
    "full.gpuLayers": "--gpu-layers",
    evalData: "--eval",
    "distillation.share": "--distil-share",
    "distillation.temperature": "--distil-temperature",
    "lora.rank": "--lora-rank",
    "lora.alpha": "--lora-alpha",
    "lora.targets": "--lora-target",
    "readerLora.rank": "--reader-rank",
    "readerLora.alpha": "--reader-alpha",
    "readerLora.targets": "--reader-target",
    readerLora: "--reader-rank",
  },
  make: {
    model: "<model>",
    responses: "--keep-responses",
    "answering.answers": "--answers",
    "answering.maxTokens": "--max-tokens",
    "answering.temperature": "--temp",
    "answering.stop": "--stop",
    "answering.sessions": "--sessions",
    "healing.epochs": "--epochs",
    "healing.maxSteps": "--max-steps",
    "healing.batchSize": "--batch",
    "healing.learningRate": "--learning-rate",
    "healing.distillation": "--distil-share",
    "healing.checkpointInterval": "--checkpoint-interval",
    "model.gpuLayers": "--gpu-layers",
  },
  answer: { prefill: "--model", "model.gpuLayers": "--gpu-layers" },
  serve: {
    "auth.keys": "--api-key-file",
    "auth.hosts": "--allowed-host",
    "auth.origins": "--origin",
    "limits.maxWaiting": "--max-waiting",
    "limits.maxModels": "--models-max",
    "limits.memoryBytes": "--memory",
  },
  eval: {
    refreshIntervals: "--refresh",
    refreshBudgets: "--refresh-budget",
    qualities: "--quality",
    windowSize: "--window",
  },
  bench: { refreshIntervals: "--refresh", promptLengths: "--prompt-tokens", acceptances: "--acceptance" },
  create: { hiddenSize: "--hidden", feedForwardSize: "--ffn", layers: "--layers", tiedOutput: "--no-tied-output" },
};

/**
 * The flag for a parameter as errors name it, such as `options.topK`, `options.prefill.gpuLayers` or `logitBias`.
 *
 * @param command the command whose flags are meant
 */
export function flagOfParameter(parameter: string, command = ""): string {
  const [first, second] = parameter.split(".").filter((key) => key !== "options");
  const inner = first === "prefill" || first === "decode" || first === "translator";
  const name = inner && second !== "model" ? (second ?? first) : first;
  if (name === undefined) return parameter;
  if (inner && second === "adapters") return `--${first}-adapter`;
  if (first === "prefill" && /^(url|key|keyFile|ca|insecure)$/.test(name))
    return `--prefill-${flagOfParameter(name).slice(2)}`;
  if (first === "decode" && /^(cacheType|flashAttention|gpuLayers)/.test(name))
    return `--decode-${flagOfParameter(name).slice(2)}`;
  const own = namesOfCommand[command];
  return (
    own?.[`${first}.${second}`] ??
    own?.[name] ??
    otherNames[name] ??
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
}

/** What `--help` says below the flags, as wide as the rest of it. */
export const helpText = (text: string) => (): string =>
  reflow(text, Math.min(120, process.stdout.isTTY ? process.stdout.columns : 80));

/** A file that is named by an argument or by a flag, but not by both. */
export function oneOf(flag: string, argument: string | undefined, value: string | undefined): string | undefined {
  if (argument !== undefined && value !== undefined)
    throw new UsageError(`--${flag} and an argument name the same file: give one of them`);
  return argument ?? value;
}

/** The same options without those that were not given: the API tells an absent option from an undefined one. */
export function given<Options extends object>(
  options: { [Name in keyof Options]: Options[Name] | undefined },
): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}

/** A type as llama.cpp's tools write it, in capitals, is the same. The API tells one that there is not. */
export const toModelType = (text: string | undefined): ModelType | undefined =>
  text?.toLowerCase() as ModelType | undefined;
