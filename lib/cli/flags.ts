/** The words of the command line: how a flag's text becomes a value, and which flag an option of the API is. */

import { InvalidArgumentError, Option } from "commander";
import type { CacheType, GpuOption, LayerMap, LoadPairOptions } from "../engine/index.js";
import type { ModelType } from "../prune/index.js";

const cacheTypes: readonly CacheType[] = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"];
const gpus: readonly (Exclude<GpuOption, false> | "off")[] = ["auto", "cuda", "metal", "vulkan", "off"];

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

/** Flags for the types of the KV cache, which `run` and `inspect` have in common. */
export const cacheTypeFlags = (): Option[] => [
  new Option("--cache-type-k <type>", "type in which the KV cache stores K (default: f16)").choices(cacheTypes),
  new Option("--cache-type-v <type>", "type in which the KV cache stores V (default: f16)").choices(cacheTypes),
];

/** Flags for the decode model's own cache. */
export const decodeCacheTypeFlags = (): Option[] => [
  new Option("--decode-cache-type-k <type>", "the same for the decode model's own cache").choices(cacheTypes),
  new Option("--decode-cache-type-v <type>", "the same for the decode model's own cache").choices(cacheTypes),
];

/** Flags for how the cache of one model becomes the other's, which `run` and `inspect` have in common. */
export const translatorFlags = (): Option[] => [
  new Option("--translator <file>", "file that turns the prefill model's KV cache into the decode model's").conflicts(
    "layerMap",
  ),
  new Option(
    "--layer-map <layers>",
    "the prefill model's layers that the decode model's layers read: first, last, firstlast, spaced or a list",
  ).argParser(parseLayerMap),
];

/** The API's option for those flags. */
export function toTranslator(flags: {
  readonly translator?: string;
  readonly layerMap?: LayerMap;
}): LoadPairOptions["translator"] {
  return flags.layerMap === undefined ? flags.translator : { layers: flags.layerMap };
}

/** Where to compute; `off` is the CPU alone. */
export const gpuFlag = (): Option =>
  new Option("--gpu <kind>", "device family to run on (default: auto)").choices(gpus);

/** How many threads to compute with, which is fewer by default for `tiny` models. */
export const threadsFlag = (tiny = "a tiny model"): Option =>
  new Option("--threads <n>", `threads (default: the cores this process may use, fewer for ${tiny})`).argParser(
    parseNumber,
  );

/** The options whose flag is not their name with dashes. */
const otherNames: Readonly<Record<string, string>> = {
  temperature: "--temp",
  contextSize: "--context",
  batchSize: "--batch",
  layers: "--layer-map",
  maxPartBytes: "--max-part-size",
};

/** The same, where a command has a word of its own for an option, or for one inside it. */
const namesOfCommand: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  prune: { layers: "--layers", model: "<model>" },
  importance: { model: "<model>" },
  pad: { model: "<model>" },
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
  },
  eval: { refreshIntervals: "--refresh", windowSize: "--window" },
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
  if (first === "decode" && /^cacheType/.test(name)) return `--decode-${flagOfParameter(name).slice(2)}`;
  const own = namesOfCommand[command];
  return (
    own?.[`${first}.${second}`] ??
    own?.[name] ??
    otherNames[name] ??
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
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
