/** Checks what callers hand over and turns it into what the binding takes. Every refusal names the parameter. */

import { z } from "zod";
import type { NativeDecodeOptions, NativeInspectOptions, NativePrefillOptions } from "../internal/binding-types.js";
import {
  callback,
  check,
  gpu,
  modelSource,
  path,
  refusedArgument,
  signal,
  threads,
  toPath,
} from "../internal/check-options.js";

const cacheType = z.enum(["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]);
const maxInt32 = 2 ** 31 - 1;

const flashAttention = z.union([z.boolean(), z.literal("auto")]);
const decodeCache = {
  cacheTypeK: cacheType.optional(),
  cacheTypeV: cacheType.optional(),
  flashAttention: flashAttention.optional(),
};

export const layerMap = z.union([
  z.enum(["first", "last", "firstlast", "spaced"]),
  z.array(z.int().min(0).max(1_000_000)).min(1).max(10_000),
]);
const translator = z.union([path, z.strictObject({ layers: layerMap })]);

const loadPairSchema = z.strictObject({
  prefill: modelSource,
  decode: modelSource.extend(decodeCache).optional(),
  contextSize: z.int().min(1).max(16_777_216).optional(),
  maxSessions: z.int().min(1).max(256).default(1),
  batchSize: z.int().min(1).max(8192).default(512),
  threads: threads.optional(),
  cacheTypeK: cacheType.default("f16"),
  cacheTypeV: cacheType.default("f16"),
  flashAttention: flashAttention.default("auto"),
  handover: z.enum(["auto", "share", "translate"]).default("auto"),
  implementation: z.enum(["auto", "cpu", "graph", "cuda", "metal"]).default("auto"),
  translator: translator.optional(),
  gpu: gpu.default("auto"),
  onProgress: callback.optional(),
  signal: signal.optional(),
});

const inspectSchema = z.strictObject({
  prefill: z.strictObject({ model: path }),
  decode: z.strictObject({ model: path, ...decodeCache }).optional(),
  cacheTypeK: cacheType.default("f16"),
  cacheTypeV: cacheType.default("f16"),
  flashAttention: flashAttention.default("auto"),
  translator: translator.optional(),
});

const prefillShape = {
  refresh: z.boolean().default(true),
  parseSpecial: z.boolean().default(true),
  onProgress: callback.optional(),
};

const decodeShape = {
  temperature: z.number().min(0).max(1000).default(0.8),
  topK: z.int().min(0).max(maxInt32).default(40),
  topP: z.number().min(0).max(1).default(0.95),
  minP: z.number().min(0).max(1).default(0.05),
  typicalP: z.number().min(0).max(1).default(1),
  repeatPenalty: z.number().gt(0).max(1000).default(1),
  presencePenalty: z.number().min(-100).max(100).default(0),
  frequencyPenalty: z.number().min(-100).max(100).default(0),
  repeatLastN: z.int().min(-1).max(maxInt32).default(64),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 2)
    .optional(),
  logitBias: z
    .union([z.map(z.number(), z.any()), z.record(z.string(), z.any())])
    .optional()
    .transform((bias, context) => logitBiasOf(bias, (message) => context.addIssue({ code: "custom", message }))),
  grammar: z.string().min(1).optional(),
  maxTokens: z.int().min(1).max(maxInt32).optional(),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(64)])
    .optional()
    .transform((stop) => (stop === undefined ? [] : typeof stop === "string" ? [stop] : stop)),
  ignoreEos: z.boolean().default(false),
  special: z.boolean().default(false),
  refreshInterval: z.int().min(1).max(maxInt32).optional(),
  logProbs: z.int().min(0).max(100).optional(),
  signal: signal.optional(),
};

const prefillSchema = z.strictObject({ ...prefillShape, signal: signal.optional() });
const switchSchema = z.strictObject({ signal: signal.optional() });
const decodeSchema = z.strictObject(decodeShape);
const generateSchema = z.strictObject({ ...prefillShape, ...decodeShape, onChunk: callback.optional() });

const promptSchema = z.union([
  z.string().min(1),
  z.instanceof(Int32Array),
  z.instanceof(Uint32Array),
  z.array(z.int().min(0).max(maxInt32)),
]);

/** Entries as two parallel lists. */
function logitBiasOf(
  bias: Map<number, unknown> | Record<string, unknown> | undefined,
  refuse: (message: string) => void,
): { tokens: Int32Array; values: Float32Array } {
  const entries: [number | string, unknown][] = bias instanceof Map ? [...bias] : Object.entries(bias ?? {});
  for (const [token, value] of entries) {
    if (!/^\d+$/.test(String(token)) || Number(token) > maxInt32) refuse(`${token} is no token id`);
    if (typeof value !== "number" || Number.isNaN(value)) refuse(`the bias of token ${token} is no number`);
  }
  return {
    tokens: Int32Array.from(entries, ([token]) => Number(token)),
    values: Float32Array.from(entries, ([, value]) => Number(value)),
  };
}

export const checkLoadPairOptions = (value: unknown) => check(loadPairSchema, value, "options");
export const checkInspectOptions = (value: unknown) => check(inspectSchema, value, "options");
export const checkPrefillOptions = (value: unknown) => check(prefillSchema, value, "options");
export const checkSwitchOptions = (value: unknown) => check(switchSchema, value, "options");
export const checkDecodeOptions = (value: unknown) => check(decodeSchema, value, "options");
export const checkGenerateOptions = (value: unknown) => check(generateSchema, value, "options");

const onOff = (flash: boolean | "auto") => (flash === "auto" ? "auto" : flash ? "on" : "off");

/** The parts of a load and of an inspection that decide about the handover. */
export function toNativeCaches(
  options: ReturnType<typeof checkInspectOptions> | ReturnType<typeof checkLoadPairOptions>,
): Omit<NativeInspectOptions, "prefill" | "decode"> {
  const { decode, translator } = options;
  const isFile = typeof translator === "string" || translator instanceof URL;
  const layers = translator === undefined || isFile ? [] : translator.layers;
  return {
    cacheTypeK: options.cacheTypeK,
    cacheTypeV: options.cacheTypeV,
    flashAttention: onOff(options.flashAttention),
    decodeCacheTypeK: decode?.cacheTypeK ?? "",
    decodeCacheTypeV: decode?.cacheTypeV ?? "",
    decodeFlashAttention: decode?.flashAttention === undefined ? "" : onOff(decode.flashAttention),
    translatorPath: isFile ? toPath(translator) : "",
    layers: typeof layers === "string" ? [] : layers,
    layerRule: typeof layers === "string" ? layers : "",
  };
}

/** The prompt as the binding takes it. Refuses an empty one. */
export function checkPrompt(value: unknown): string | Int32Array {
  const prompt = check(promptSchema, value, "prompt");
  if (prompt.length === 0) throw refusedArgument("prompt", "expected at least one token", "none");
  return typeof prompt === "string" || prompt instanceof Int32Array ? prompt : Int32Array.from(prompt);
}

/** Tokens as the binding takes them. */
export function checkTokens(value: unknown): Int32Array {
  const tokens = check(
    z.union([z.instanceof(Int32Array), z.instanceof(Uint32Array), z.array(z.int().min(0).max(maxInt32))]),
    value,
    "tokens",
  );
  return tokens instanceof Int32Array ? tokens : Int32Array.from(tokens);
}

export function checkText(value: unknown): string {
  return check(z.string(), value, "text");
}

export function toNativePrefillOptions(options: { refresh: boolean; parseSpecial: boolean }): NativePrefillOptions {
  return { refresh: options.refresh, parseSpecial: options.parseSpecial };
}

export function toNativeDecodeOptions(options: ReturnType<typeof checkDecodeOptions>): NativeDecodeOptions {
  return {
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    minP: options.minP,
    typicalP: options.typicalP,
    repeatPenalty: options.repeatPenalty,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    repeatLastN: options.repeatLastN,
    seed: options.seed ?? -1,
    ignoreEos: options.ignoreEos,
    logitBiasTokens: options.logitBias.tokens,
    logitBiasValues: options.logitBias.values,
    grammar: options.grammar ?? "",
    logProbs: options.logProbs ?? -1,
    maxTokens: options.maxTokens ?? 0,
    stop: options.stop,
    special: options.special,
    refreshInterval: options.refreshInterval ?? 0,
  };
}
