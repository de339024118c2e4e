/** Checks what callers hand over and turns it into what the binding takes. Every refusal names the parameter. */

import type { NativeDecodeOptions, NativePrefillOptions } from "../internal/binding-types.js";
import { check, refusedArgument } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import {
  above,
  between,
  callback,
  gpu,
  type InputOf,
  isInt32Array,
  isMap,
  kernels,
  kind,
  list,
  maxInt32,
  maxUint32,
  modelSourceShape,
  onFirstUse,
  path,
  priority,
  type SchemasOf,
  signal,
  text,
  threads,
  tokenList,
  whole,
} from "../internal/option-schemas.js";
import { quality, refreshBudget } from "../internal/quality-schema.js";
import * as z from "../internal/schema.js";
import type {
  AdapterSource,
  DecodeOptions,
  DecodeSource,
  DetokenizeOptions,
  GenerateOptions,
  InspectOptions,
  LayerMap,
  LoadPairOptions,
  PrefillOptions,
  PrefillSource,
  SamplerName,
  SamplingOptions,
  SwitchOptions,
  TokenizeOptions,
  WriterSource,
} from "./options.js";
import type { ForkOptions } from "./place-options.js";
import { queueSchema } from "./place-validation.js";
import { prefixCacheSchema } from "./prefix-validation.js";
import { toNativeQuality, withoutRefreshes } from "./quality-validation.js";
import { remotePlaceShape, remoteSchema } from "./remote-validation.js";
import type { OnePairOptions } from "./writer-options.js";

const cacheType = onFirstUse(() => z.oneOf(["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]));

const adapters = onFirstUse(() =>
  z.optional(
    list(
      "a list of at most 64 adapters",
      inWords(
        "an object with a file",
        z.strictObject({
          file: path(),
          scale: z.withDefault(between(-1000, 1000), 1),
        } satisfies SchemasOf<AdapterSource>),
      ),
      0,
      64,
    ),
  ),
);

const flashAttention = onFirstUse(() => z.union([z.boolean(), z.literal("auto")]));
const decodeCache = onFirstUse(() => ({
  cacheTypeK: z.optional(cacheType()),
  cacheTypeV: z.optional(cacheType()),
  flashAttention: z.optional(flashAttention()),
}));

export const layerMap = onFirstUse(
  () =>
    z.union([
      z.oneOf(["first", "last", "firstlast", "spaced"]),
      list("a list of layers", whole(0, 1_000_000), 1, 10_000),
    ]) satisfies z.Schema<LayerMap, LayerMap>,
);
const translator = onFirstUse(() =>
  z.union([path(), inWords("an object with layers", z.strictObject({ layers: layerMap() }))]),
);

const caches = onFirstUse(() => ({
  cacheTypeK: z.withDefault(cacheType(), "f16"),
  cacheTypeV: z.withDefault(cacheType(), "f16"),
  flashAttention: z.withDefault(flashAttention(), "auto"),
  translator: z.optional(translator()),
}));

/** A decode model among several. */
export const writerSchema = onFirstUse(() =>
  z.strictObject({
    ...modelSourceShape(),
    adapters: adapters(),
    ...decodeCache(),
    translator: z.optional(translator()),
  } satisfies SchemasOf<WriterSource>),
);

const loadPairSchema = onFirstUse(() =>
  z.strictObject({
    prefill: inWords(
      "an object with a model",
      z.strictObject({
        ...modelSourceShape(),
        ...remotePlaceShape(),
        adapters: adapters(),
      } satisfies SchemasOf<PrefillSource>),
    ),
    decode: z.optional(
      z.strictObject({
        ...modelSourceShape(),
        adapters: adapters(),
        ...decodeCache(),
      } satisfies SchemasOf<DecodeSource>),
    ),
    contextSize: z.optional(whole(1, 16_777_216)),
    cacheTokens: z.optional(whole(1, 1_073_741_824)),
    maxSessions: z.withDefault(whole(1, 256), 1),
    queue: z.optional(queueSchema()),
    batchSize: z.withDefault(whole(1, 8192), 512),
    prefillShare: z.withDefault(between(0.01, 1), 0.6),
    prefixCache: z.optional(prefixCacheSchema()),
    threads: z.optional(threads()),
    kernels: z.withDefault(kernels(), "auto"),
    ...caches(),
    handover: z.withDefault(z.oneOf(["auto", "share", "translate"]), "auto"),
    implementation: z.withDefault(z.oneOf(["auto", "cpu", "graph", "cuda", "metal"]), "auto"),
    gpu: z.withDefault(gpu(), "auto"),
    remote: z.optional(remoteSchema()),
    onProgress: z.optional(callback<NonNullable<LoadPairOptions["onProgress"]>>()),
    signal: z.optional(signal()),
  } satisfies SchemasOf<OnePairOptions>),
);

const inspectSchema = onFirstUse(() =>
  z.strictObject({
    prefill: z.strictObject({ model: path(), adapters: adapters() }),
    decode: z.optional(z.strictObject({ model: path(), adapters: adapters(), ...decodeCache() })),
    ...caches(),
  } satisfies SchemasOf<InspectOptions>),
);

const prefillShape = onFirstUse(() => ({
  refresh: z.withDefault(z.boolean(), true),
  replace: z.withDefault(z.boolean(), false),
  deterministic: z.withDefault(z.boolean(), false),
  parseSpecial: z.withDefault(z.boolean(), true),
  priority: priority(),
  onProgress: z.optional(callback<NonNullable<PrefillOptions["onProgress"]>>()),
}));

type LogitBias = NonNullable<SamplingOptions["logitBias"]>;

/** An object with keys of its own, or a Map. */
const isBias = (value: unknown) =>
  isMap(value) || (Object.prototype.toString.call(value) === "[object Object]" && value !== null);

const logitBias = onFirstUse(() =>
  z.pipe(
    z.optional(kind<LogitBias>("a Map or an object from token ids to numbers", isBias)),
    z.transform((bias: LogitBias | undefined, context) =>
      logitBiasOf(bias, (message) => context.issues.push({ code: "custom", message, input: bias })),
    ),
  ),
);

const stop = onFirstUse(() =>
  z.pipe(
    z.optional(z.union([text(), list("a list of at most 64 such texts", text(), 0, 64)])),
    z.transform((stop: DecodeOptions["stop"]) =>
      stop === undefined ? [] : typeof stop === "string" ? [stop] : [...stop],
    ),
  ),
);

const samplerNames = [
  "penalties",
  "dry",
  "top_n_sigma",
  "top_k",
  "typ_p",
  "top_p",
  "min_p",
  "xtc",
  "temperature",
] as const satisfies readonly SamplerName[];

const decodeShape = onFirstUse(
  () =>
    ({
      temperature: z.withDefault(between(0, 1000), 0.8),
      topK: z.withDefault(whole(0, maxInt32), 40),
      topP: z.withDefault(between(0, 1), 0.95),
      minP: z.withDefault(between(0, 1), 0.05),
      typicalP: z.withDefault(between(0, 1), 1),
      repeatPenalty: z.withDefault(above(0, 1000), 1),
      presencePenalty: z.withDefault(between(-100, 100), 0),
      frequencyPenalty: z.withDefault(between(-100, 100), 0),
      repeatLastN: z.withDefault(whole(-1, maxInt32), 64),
      dryMultiplier: z.withDefault(between(0, 100), 0),
      dryBase: z.withDefault(between(1, 100), 1.75),
      dryAllowedLength: z.withDefault(whole(0, maxInt32), 2),
      dryPenaltyLastN: z.withDefault(whole(-1, maxInt32), 64),
      drySequenceBreakers: z.withDefault(list("a list of at most 16 such texts", text(), 0, 16), ["\n", ":", '"', "*"]),
      xtcProbability: z.withDefault(between(0, 1), 0),
      xtcThreshold: z.withDefault(between(0, 1), 0.1),
      topNSigma: z.withDefault(between(-1, 1000), -1),
      dynatempRange: z.withDefault(between(0, 1000), 0),
      dynatempExponent: z.withDefault(between(0, 100), 1),
      mirostat: z.withDefault(z.literal([0, 1, 2]), 0),
      mirostatTau: z.withDefault(between(0, 100), 5),
      mirostatEta: z.withDefault(between(0, 100), 0.1),
      samplers: z.optional(list("a list of samplers", z.oneOf(samplerNames), 1, 64)),
      seed: z.optional(whole(0, maxUint32 - 1)),
      logitBias: logitBias(),
      grammar: z.optional(text()),
      maxTokens: z.optional(whole(1, maxInt32)),
      stop: stop(),
      ignoreEos: z.withDefault(z.boolean(), false),
      special: z.withDefault(z.boolean(), false),
      refreshInterval: z.optional(whole(1, maxInt32)),
      refreshBudget: z.optional(refreshBudget()),
      quality: z.optional(quality()),
      deterministic: z.withDefault(z.boolean(), false),
      priority: priority(),
      logProbs: z.optional(whole(0, 100)),
      writer: z.optional(text()),
      signal: z.optional(signal()),
    }) satisfies SchemasOf<DecodeOptions>,
);

const prefillSchema = onFirstUse(() =>
  z.strictObject({
    ...prefillShape(),
    signal: z.optional(signal()),
  } satisfies SchemasOf<PrefillOptions>),
);
const switchSchema = onFirstUse(() =>
  z.strictObject({ writer: z.optional(text()), signal: z.optional(signal()) } satisfies SchemasOf<SwitchOptions>),
);
const forkSchema = onFirstUse(() =>
  z.strictObject({ priority: priority(), signal: z.optional(signal()) } satisfies SchemasOf<ForkOptions>),
);
const decodeSchema = onFirstUse(() => z.strictObject(decodeShape()));
const generateSchema = onFirstUse(() =>
  z.strictObject({
    ...prefillShape(),
    ...decodeShape(),
    n: z.withDefault(whole(1, 256), 1),
    onChunk: z.optional(callback<NonNullable<GenerateOptions["onChunk"]>>()),
  } satisfies SchemasOf<GenerateOptions>),
);
const tokenizeSchema = onFirstUse(() =>
  z.strictObject({
    addSpecial: z.withDefault(z.boolean(), false),
    parseSpecial: z.withDefault(z.boolean(), false),
  } satisfies SchemasOf<TokenizeOptions>),
);
const detokenizeSchema = onFirstUse(() =>
  z.strictObject({
    special: z.withDefault(z.boolean(), false),
  } satisfies SchemasOf<DetokenizeOptions>),
);

const promptSchema = onFirstUse(() => z.union([text(), tokenList()]));

/** Entries as two parallel lists. */
function logitBiasOf(
  bias: LogitBias | undefined,
  refuse: (message: string) => void,
): { tokens: Int32Array; values: Float32Array } {
  const entries: [unknown, unknown][] = isMap(bias) ? [...bias] : Object.entries(bias ?? {});
  for (const [token, value] of entries) {
    const isId = isMap(bias) ? typeof token === "number" : true;
    if (!isId || !/^\d+$/.test(String(token)) || Number(token) > maxInt32)
      refuse(`expected token ids; ${String(token)} is not one`);
    if (typeof value !== "number" || Number.isNaN(value))
      refuse(`expected a number for each token; the value for ${String(token)} is not one`);
  }
  return {
    tokens: Int32Array.from(entries, ([token]) => Number(token)),
    values: Float32Array.from(entries, ([, value]) => Number(value)),
  };
}

// Each takes what its interface has, so that a schema that falls behind it does not compile.
export const checkLoadPairOptions = (value: OnePairOptions) =>
  check(loadPairSchema(), value satisfies InputOf<typeof loadPairSchema>, "options");
export const checkInspectOptions = (value: InspectOptions) =>
  check(inspectSchema(), value satisfies InputOf<typeof inspectSchema>, "options");
export const checkPrefillOptions = (value: PrefillOptions) =>
  check(prefillSchema(), value satisfies InputOf<typeof prefillSchema>, "options");
export const checkForkOptions = (value: ForkOptions) =>
  check(forkSchema(), value satisfies InputOf<typeof forkSchema>, "options");
export const checkTokenCount = (value: number, name: string) => check(whole(0, maxInt32), value, name);
export const checkSwitchOptions = (value: SwitchOptions) =>
  check(switchSchema(), value satisfies InputOf<typeof switchSchema>, "options");
export const checkDecodeOptions = (value: DecodeOptions) =>
  withoutRefreshes(check(decodeSchema(), value satisfies InputOf<typeof decodeSchema>, "options"));
export const checkGenerateOptions = (value: GenerateOptions) =>
  withoutRefreshes(check(generateSchema(), value satisfies InputOf<typeof generateSchema>, "options"));
export const checkTokenizeOptions = (value: TokenizeOptions) =>
  check(tokenizeSchema(), value satisfies InputOf<typeof tokenizeSchema>, "options");
export const checkDetokenizeOptions = (value: DetokenizeOptions) =>
  check(detokenizeSchema(), value satisfies InputOf<typeof detokenizeSchema>, "options");

/** Token ids as the binding takes them. Refuses what only an unsigned array can hold: it would come out as a negative number. */
function toInt32Array(tokens: readonly number[] | Int32Array | Uint32Array, parameter: string): Int32Array {
  if (isInt32Array(tokens)) return tokens;
  const beyond = tokens.find((token) => token > maxInt32);
  if (beyond !== undefined) throw refusedArgument(parameter, "expected token ids", String(beyond));
  return Int32Array.from(tokens);
}

/** A prompt, or a part of one, as the binding takes it. Refuses an empty one. */
export function checkPrompt(value: unknown, name = "prompt"): string | Int32Array {
  const prompt = check(promptSchema(), value, name);
  if (prompt.length === 0) throw refusedArgument(name, "expected at least one token", "none");
  return typeof prompt === "string" ? prompt : toInt32Array(prompt, name);
}

/** Tokens as the binding takes them. */
export function checkTokens(value: unknown): Int32Array {
  return toInt32Array(check(tokenList(), value, "tokens"), "tokens");
}

export function checkText(value: unknown): string {
  return check(z.string(), value, "text");
}

export function toNativePrefillOptions(options: NativePrefillOptions): NativePrefillOptions {
  const { refresh, parseSpecial, replace, deterministic, priority } = options;
  return { refresh, parseSpecial, replace, deterministic, priority };
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
    dryMultiplier: options.dryMultiplier,
    dryBase: options.dryBase,
    dryAllowedLength: options.dryAllowedLength,
    dryPenaltyLastN: options.dryPenaltyLastN,
    drySequenceBreakers: options.drySequenceBreakers,
    xtcProbability: options.xtcProbability,
    xtcThreshold: options.xtcThreshold,
    topNSigma: options.topNSigma,
    dynatempRange: options.dynatempRange,
    dynatempExponent: options.dynatempExponent,
    mirostat: options.mirostat,
    mirostatTau: options.mirostatTau,
    mirostatEta: options.mirostatEta,
    samplers: options.samplers ?? [],
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
    ...toNativeQuality(options),
    deterministic: options.deterministic,
    priority: options.priority,
  };
}
