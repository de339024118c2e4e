/** The words of the command line: how a flag's text becomes a value, and which flag an option of the API is. */

import { InvalidArgumentError, Option } from "commander";
import type { CacheType, GpuOption } from "../engine/index.js";

const cacheTypes: readonly CacheType[] = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"];
const gpus: readonly (Exclude<GpuOption, false> | "off")[] = ["auto", "cuda", "metal", "vulkan", "off"];

/** A decimal number; whether it is in range is the API's to say. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** A number of layers, or `all`. */
export function parseLayers(text: string): number | "all" {
  return text === "all" ? text : parseNumber(text);
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

/** Where to compute; `off` is the CPU alone. */
export const gpuFlag = (): Option =>
  new Option("--gpu <kind>", "device family to run on (default: auto)").choices(gpus);

/** The options whose flag is not their name with dashes. */
const otherNames: Readonly<Record<string, string>> = {
  temperature: "--temp",
  contextSize: "--context",
  batchSize: "--batch",
};

/** The flag for a parameter as errors name it, such as `options.topK`, `options.prefill.gpuLayers` or `logitBias`. */
export function flagOfParameter(parameter: string): string {
  const [first, second] = parameter.split(".").filter((key) => key !== "options");
  const name = (first === "prefill" || first === "decode") && second !== "model" ? (second ?? first) : first;
  if (name === undefined) return parameter;
  return otherNames[name] ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The same options without those that were not given: the API tells an absent option from an undefined one. */
export function given<Options extends object>(
  options: { [Name in keyof Options]: Options[Name] | undefined },
): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}
