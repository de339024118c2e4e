/** Options and arguments that are wrong: each is refused by name before anything is done. */

import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import test from "ava";
import {
  type DecodeOptions,
  type GenerateOptions,
  InvalidArgumentError,
  inspect,
  type LoadPairOptions,
  loadPair,
  type OnePairOptions,
  type PrefillOptions,
  type Prompt,
  type Session,
  type SessionOptions,
  type SwitchOptions,
} from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { openSession, quiet, refusal, traced } from "./fixtures.js";

/** What a caller without types, or with data from elsewhere, might hand over: options of the right name and a wrong value. */
type Wrong<Options> = readonly (readonly [name: keyof Options & string, ...values: readonly unknown[]])[];

const missing = { model: "/nowhere/model.gguf" };

const ofLoad: Wrong<LoadPairOptions> = [
  ["prefill", undefined, null, "model.gguf", {}, { model: "" }, { model: 5 }, { ...missing, layers: 2 }],
  ["prefill", { ...missing, gpuLayers: -1 }, { ...missing, gpuLayers: 1.5 }, { ...missing, gpuLayers: "some" }],
  ["decode", null, "model.gguf", {}, { model: "" }],
  ["contextSize", 0, -1, 1.5, "4096", Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, null],
  ["maxSessions", 0, 257, 1.5, "1"],
  ["queue", 5, null, { maxWaiting: -1 }, { maxWaiting: 65_537 }, { timeoutMs: 0 }, { timeoutMs: 2 ** 31 }, { size: 1 }],
  ["batchSize", 0, 8193, 0.5, "512"],
  ["threads", 0, 513, -2, 1.5, "2"],
  ["cacheTypeK", "f64", "F16", 16, null],
  ["cacheTypeV", "q8", "", true],
  ["flashAttention", "on", 1, null],
  ["handover", "copy", true, ""],
  ["gpu", "opencl", true, null, 0],
  ["onProgress", "function", {}, null],
  ["signal", {}, new EventTarget(), true, new AbortController()],
];

const ofPrefill: Wrong<PrefillOptions> = [
  ["refresh", 1, "yes", null],
  ["parseSpecial", 0, "no", null],
  ["priority", 1.5, "1", 2 ** 31, -(2 ** 31) - 1, null],
  ["onProgress", 5, {}],
  ["signal", {}, true],
];

const ofDecode: Wrong<DecodeOptions> = [
  ["temperature", -0.1, "0.8", Number.NaN, Number.POSITIVE_INFINITY, null, 1001],
  ["topK", -1, 1.5, "40", 2 ** 31],
  ["topP", -0.1, 1.1, "0.9", Number.NaN],
  ["minP", -0.1, 1.1, null],
  ["typicalP", -0.1, 1.1, {}],
  ["repeatPenalty", 0, -1, Number.NaN, "1", Number.POSITIVE_INFINITY],
  ["presencePenalty", -101, 101, Number.NaN, true],
  ["frequencyPenalty", -101, 101, Number.NaN, []],
  ["repeatLastN", -2, 1.5, "64", 2 ** 31],
  ["dryMultiplier", -0.1, 101, "1", Number.NaN],
  ["dryBase", 0.9, 101, null],
  ["dryAllowedLength", -1, 1.5, 2 ** 31],
  ["dryPenaltyLastN", -2, 1.5, 2 ** 31],
  ["drySequenceBreakers", "x", [""], [5], Array.from({ length: 17 }, () => "x")],
  ["xtcProbability", -0.1, 1.1, "0"],
  ["xtcThreshold", -0.1, 1.1, Number.NaN],
  ["topNSigma", -1.1, 1001, null],
  ["dynatempRange", -0.1, 1001, "1"],
  ["dynatempExponent", -0.1, 101, Number.NaN],
  ["mirostat", -1, 3, 1.5, "2", true],
  ["mirostatTau", -0.1, 101, "5"],
  ["mirostatEta", -0.1, 101, Number.POSITIVE_INFINITY],
  ["samplers", [], ["topK"], ["top_k", "infill"], "top_k", [5]],
  ["seed", -1, 1.5, 2 ** 32 - 1, "7", Number.NaN],
  ["logitBias", 5, [], "x", { "-1": 1 }, { "1.5": 1 }, { a: 1 }, { 5: Number.NaN }, { 5: "1" }, { [2 ** 31]: 1 }],
  ["logitBias", new Map([["5", 1]]), new Map([[-1, 1]]), new Map([[0.5, 1]]), new Map([[5, Number.NaN]])],
  ["grammar", "", 5, null],
  ["maxTokens", 0, -1, 1.5, "10", Number.POSITIVE_INFINITY, 2 ** 31],
  ["stop", "", [""], ["ok", ""], 5, [5], null, Array.from({ length: 65 }, () => "stop")],
  ["ignoreEos", 1, "true", null],
  ["special", 0, "false", null],
  ["logProbs", -1, 101, 1.5, true, "5"],
  ["priority", 0.5, "high", 2 ** 31, Number.NaN],
  ["signal", {}, true],
];

const ofGenerate: Wrong<GenerateOptions> = [...ofPrefill, ...ofDecode, ["onChunk", 5, {}, null]];

const ofSwitch: Wrong<SwitchOptions> = [["signal", {}, true, null]];

/** Hands over every wrong value, one at a time, and one option that does not exist. */
async function refuseAll<Options extends object>(
  t: Parameters<typeof refusal>[0],
  wrong: Wrong<Options>,
  call: (options: Options) => unknown,
): Promise<void> {
  const cases = [
    ...wrong.flatMap(([name, ...values]) => values.map((value) => [name, value] as const)),
    ["tempo", 1] as const,
  ];
  for (const [name, value] of cases) {
    const title = `${name}: ${String(typeof value === "object" ? JSON.stringify(value) : value)}`;
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", async () => call({ [name]: value } as Options), title);
    named(t, error, name, title);
  }
}

function named(t: Parameters<typeof refusal>[0], error: InvalidArgumentError, name: string, title: string): void {
  t.true(InvalidArgumentError.isInstance(error), title);
  const { parameter, expected, actual } = error.details;
  t.regex(String(parameter), new RegExp(`^(options\\.)?${name}(\\.|$)`), title);
  t.true(typeof expected === "string" && expected !== "" && typeof actual === "string" && actual !== "", title);
  t.true(error.message.includes(String(parameter)), error.message);
}

test("loadPair refuses every wrong option by name, before it looks at a file", async (t) => {
  await refuseAll<LoadPairOptions>(t, ofLoad, (options) => loadPair({ ...quiet, ...{ prefill: missing }, ...options }));
});

test("inspect refuses wrong options by name, those of loadPair included", async (t) => {
  await refuseAll(
    t,
    [
      ["cacheTypeK", "f64"],
      ["decode", {}],
      ["contextSize", 512],
    ] as Wrong<OnePairOptions>,
    (options) => inspect({ ...{ prefill: missing }, ...options }),
  );
});

for (const value of [undefined, null, 5, []]) {
  test(`loadPair(${String(Array.isArray(value) ? "[]" : value)}) is refused`, async (t) => {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", loadPair(value as unknown as LoadPairOptions));
    t.regex(String(error.details.parameter), /^options/);
  });
}

test("a URL that is no file: URL is refused, a file: URL is taken", async (t) => {
  const error = await refusal(
    t,
    "ERR_INVALID_ARGUMENT",
    loadPair({ prefill: { model: new URL("https://example.org/a.gguf") } }),
  );
  t.is(error.details.parameter, "options.prefill.model");
  const url = new URL(`file://${join(withTempDir(t), "none.gguf")}`);
  await refusal(t, "ERR_MODEL_NOT_FOUND", loadPair({ prefill: { model: url } }));
});

test("a path with a zero byte is refused, not cut off", async (t) => {
  await refusal(t, "ERR_INVALID_ARGUMENT", loadPair({ ...quiet, prefill: { model: "/tmp/a.gguf\0b" } }));
});

test("cache types that the models or the attention rule out are refused by name", async (t) => {
  const narrowHeads = { prefill: { headSize: 16 } };
  const k = await refusal(t, "ERR_INVALID_ARGUMENT", openSession(t, { ...narrowHeads, cacheTypeK: "q8_0" }));
  t.is(k.details.parameter, "cacheTypeK");
  const v = await refusal(t, "ERR_INVALID_ARGUMENT", openSession(t, { ...narrowHeads, cacheTypeV: "q4_0" }));
  t.is(v.details.parameter, "cacheTypeV");
  const attention = await refusal(
    t,
    "ERR_INVALID_ARGUMENT",
    openSession(t, { cacheTypeV: "q8_0", flashAttention: false }),
  );
  t.is(attention.details.parameter, "cacheTypeV");
});

async function stillWorks(t: Parameters<typeof refusal>[0], session: Session): Promise<void> {
  const { tokens } = await session.generate([50, 51, 52], traced(3));
  t.is(tokens.length, 3);
}

test("the stages refuse every wrong option by name, and the session goes on", async (t) => {
  const session = await openSession(t);
  await refuseAll<PrefillOptions>(t, ofPrefill, (options) => session.prefill("x", options));
  t.is(session.stats().stage, "empty");
  await session.prefill("x");
  await refuseAll<SwitchOptions>(t, ofSwitch, (options) => session.switch(options));
  t.is(session.stats().stage, "prefilled");
  await session.switch();
  await refuseAll<DecodeOptions>(t, ofDecode, (options) => session.decode(options));
  t.is(session.stats().stage, "switched");
  await refuseAll<GenerateOptions>(t, ofGenerate, (options) => session.generate("x", options));
  t.is(session.stats().contextTokens, 2);
  await stillWorks(t, session);
});

test("decode refuses wrong options at once, not at the first read", async (t) => {
  const session = await openSession(t);
  t.throws(() => session.decode({ temperature: -1 }), { instanceOf: InvalidArgumentError });
});

const prompts: readonly (readonly [title: string, prompt: unknown, actual?: string])[] = [
  ["an empty text", ""],
  ["an empty list", []],
  ["an empty Int32Array", new Int32Array()],
  ["a number", 5],
  ["undefined", undefined],
  ["null", null],
  ["a list with a text", [50, "x"]],
  ["a list with a fraction", [50, 1.5]],
  ["a list with a negative number", [50, -1]],
  ["a Float64Array", Float64Array.of(50)],
  ["a token outside the vocabulary", [50, 292], "292"],
  ["a token far outside the vocabulary", [2 ** 31 - 1], "2147483647"],
  ["a negative token in an Int32Array", Int32Array.of(50, -1), "-1"],
  ["a token that an Int32Array cannot hold", Uint32Array.of(2 ** 32 - 1), "4294967295"],
];

for (const [title, prompt, actual] of prompts) {
  test(`a prompt that is ${title} is refused, and the session goes on`, async (t) => {
    const session = await openSession(t);
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", session.prefill(prompt as Prompt));
    t.regex(String(error.details.parameter), /^prompt/);
    if (actual) t.is(error.details.actual, actual);
    t.like(session.stats(), { stage: "empty", contextTokens: 0 });
    await refusal(t, "ERR_INVALID_ARGUMENT", session.generate(prompt as Prompt));
    await stillWorks(t, session);
  });
}

test("tokenize and detokenize refuse what they cannot take", async (t) => {
  const session = await openSession(t);
  for (const text of [5, undefined, null, ["x"]]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.tokenize(text as unknown as string));
    t.is(error.details.parameter, "text");
  }
  for (const tokens of ["x", [1.5], [-1], ["1"], null, [292], Int32Array.of(-5)]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.detokenize(tokens as unknown as number[]));
    t.regex(String(error.details.parameter), /^tokens/);
  }
  const wrong = [{ addSpecial: 1 }, { parseSpecial: null }, { special: true }, null, 5];
  for (const options of wrong) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.tokenize("x", options as object));
    t.regex(String(error.details.parameter), /^options/);
  }
  await refusal(t, "ERR_INVALID_ARGUMENT", () => session.detokenize([50], { special: "yes" } as object));
  t.is(session.detokenize([]), "");
  t.deepEqual(session.tokenize(""), []);
});

test("a prompt longer than the context is refused with its sizes, and the session goes on", async (t) => {
  const session = await openSession(t, { contextSize: 256 });
  const long = Array.from({ length: 257 }, () => 50);
  const first = await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(long));
  t.deepEqual(first.details, { promptTokens: 257, contextTokens: 0, contextSize: 256 });
  await stillWorks(t, session);
  const before = session.stats();
  const second = await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(long.slice(6)));
  t.deepEqual(second.details, { promptTokens: 251, contextTokens: 6, contextSize: 256 });
  t.deepEqual(session.stats(), before);
  t.is((await session.prefill(long.slice(7))).contextTokens, 256);
});

const ofSession: Wrong<SessionOptions> = [
  ["priority", 1.5, "1", 2 ** 31, null],
  ["signal", {}, true, null],
];

test("createSession refuses wrong options by name", async (t) => {
  const { pair } = await openSession(t, { maxSessions: 2 });
  await refuseAll(t, ofSession, (options) => pair.createSession(options));
  await (await pair.createSession({})).dispose();
});

const wordings: readonly (readonly [options: object, message: string, suggestion?: string])[] = [
  [
    { gpu: "vulcan" },
    'options.gpu: expected one of "auto", "cuda", "metal", "vulkan" or false; got "vulcan" (did you mean "vulkan"?)',
    "vulkan",
  ],
  [{ gpu: true }, 'options.gpu: expected one of "auto", "cuda", "metal", "vulkan" or false; got true'],
  [{ flashAttention: "on" }, 'options.flashAttention: expected one of true, false or "auto"; got "on"'],
  [{ threads: 0 }, "options.threads: expected a whole number from 1 to 512; got 0"],
  [{ threads: "2" }, 'options.threads: expected a whole number from 1 to 512; got "2"'],
  [
    { prefill: { model: "a", gpuLayers: "al" } },
    'options.prefill.gpuLayers: expected "all" or a whole number from 0 to 1000000; got "al" (did you mean "all"?)',
    "all",
  ],
  [{ prefill: "a.gguf" }, 'options.prefill: expected an object with a model; got "a.gguf"'],
  [{ prefill: { model: 5 } }, "options.prefill.model: expected a path or a file: URL; got 5"],
  [
    { translator: { layer: "first" } },
    'options.translator.layer: no such option; got "first" (did you mean "layers"?)',
    "layers",
  ],
  [
    { translator: { layers: "frst" } },
    'options.translator.layers: expected "first", "last", "firstlast", "spaced" or a list of layers; got "frst" (did you mean "first"?)',
    "first",
  ],
  [
    { translator: { layers: [0, -1] } },
    "options.translator.layers.1: expected a whole number from 0 to 1000000; got -1",
  ],
  [{ contextsize: 512 }, 'options.contextsize: no such option; got 512 (did you mean "contextSize"?)', "contextSize"],
  [{ colour: 1 }, "options.colour: no such option; got 1"],
  [
    { cacheTypeK: "F16" },
    'options.cacheTypeK: expected one of "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0" or "iq4_nl"; got "F16" (did you mean "f16"?)',
    "f16",
  ],
];

for (const [options, message, suggestion] of wordings)
  test(`what is wrong with ${JSON.stringify(options)} is told with all that would be right`, async (t) => {
    const error = await refusal(
      t,
      "ERR_INVALID_ARGUMENT",
      loadPair({ prefill: missing, ...options } as unknown as LoadPairOptions),
    );
    t.is(error.message, message);
    t.is(error.details.suggestion, suggestion);
  });

test("options of another realm are taken", async (t) => {
  const foreign: { tokens: Int32Array; bias: Map<number, number>; list: number[] } = runInContext(
    "({ tokens: Int32Array.of(50, 51), bias: new Map([[60, -1]]), list: [50, 51] })",
    createContext(),
  );
  const session = await openSession(t);
  t.false(foreign.tokens instanceof Int32Array);
  t.is((await session.prefill(foreign.tokens)).promptTokens, 2);
  t.is((await session.prefill(foreign.list)).promptTokens, 2);
  await session.switch();
  t.is((await session.decode({ ...traced(2), logitBias: foreign.bias }).result).tokens, 2);
});
