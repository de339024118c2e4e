/** The public types, as callers see them. `npm run typecheck` is what makes this file fail; running it only counts it. */

import test from "ava";
import { expectTypeOf } from "expect-type";
import {
  type CacheType,
  type DecodeChunk,
  type DecodeOptions,
  type DecodeResult,
  DecodeStream,
  demoPair,
  demoPrompt,
  type FinishReason,
  fitTranslator,
  type GenerateOptions,
  type GenerateResult,
  type HandoverReport,
  type InspectOptions,
  inspect,
  type LoadPairOptions,
  loadPair,
  type ModelSource,
  OverfillError,
  type OverfillErrorCode,
  Pair,
  type PairInfo,
  type PairInspection,
  type PrefillOptions,
  type PrefillResult,
  type Prompt,
  Session,
  type SessionStage,
  type SessionStats,
  type TokenLogProb,
} from "../../lib/index.js";

/** Code that is checked, never run. */
const checked = (_body: (pair: Pair, session: Session) => unknown): void => {};

test("loading gives a pair, inspecting facts", (t) => {
  expectTypeOf(loadPair).toBeCallableWith({} as LoadPairOptions);
  expectTypeOf(loadPair).toBeCallableWith("pair", { contextSize: 512 });
  expectTypeOf(loadPair).returns.resolves.toEqualTypeOf<Pair>();
  expectTypeOf(inspect).parameters.toEqualTypeOf<[InspectOptions]>();
  expectTypeOf(inspect).returns.resolves.toEqualTypeOf<PairInspection>();
  expectTypeOf<PairInfo>().toExtend<PairInspection>();
  expectTypeOf(demoPair).toExtend<LoadPairOptions>();
  expectTypeOf(demoPrompt).toBeString();
  checked(() => [
    loadPair({ prefill: { model: "a.gguf" } }),
    loadPair({
      prefill: { model: new URL("file:///a.gguf"), gpuLayers: "all" },
      decode: { model: "b.gguf", gpuLayers: 3 },
    }),
    loadPair({
      prefill: { model: "a.gguf" },
      gpu: false,
      flashAttention: "auto",
      handover: "share",
      cacheTypeK: "q8_0",
    }),
    loadPair({
      prefill: { model: "a.gguf", adapters: [{ file: "b.gguf" }] },
      decode: { model: "a.gguf", adapters: [{ file: new URL("file:///c.gguf"), scale: 0.5 }] },
    }),
    // @ts-expect-error an adapter is an object with a file
    loadPair({ prefill: { model: "a.gguf", adapters: ["b.gguf"] } }),
    // @ts-expect-error a translator is fitted to models without adapters
    fitTranslator({ prefill: { model: "a.gguf", adapters: [] }, decode: { model: "b.gguf" }, text: "t", out: "o" }),
    // @ts-expect-error the prefill model is required
    loadPair({ decode: { model: "a.gguf" } }),
    // @ts-expect-error a model is given by a source, not by its path
    loadPair({ prefill: "a.gguf" }),
    // @ts-expect-error no such option
    loadPair({ prefill: { model: "a.gguf" }, ctx: 512 }),
    // @ts-expect-error no such cache type
    loadPair({ prefill: { model: "a.gguf" }, cacheTypeK: "q3_k" }),
    // @ts-expect-error no such device
    loadPair({ prefill: { model: "a.gguf" }, gpu: true }),
  ]);
  t.is(typeof loadPair, "function");
});

test("the stages take their options and give plain read-only results", (t) => {
  expectTypeOf<Pair["createSession"]>().returns.resolves.toEqualTypeOf<Session>();
  expectTypeOf<Session["prefill"]>().parameters.toEqualTypeOf<[Prompt, PrefillOptions?]>();
  expectTypeOf<Session["prefill"]>().returns.resolves.toEqualTypeOf<PrefillResult>();
  expectTypeOf<Session["switch"]>().returns.resolves.toEqualTypeOf<HandoverReport>();
  expectTypeOf<Session["decode"]>().parameters.toEqualTypeOf<[DecodeOptions?]>();
  expectTypeOf<Session["decode"]>().returns.toEqualTypeOf<DecodeStream>();
  expectTypeOf<Session["generate"]>().parameters.toEqualTypeOf<[Prompt, GenerateOptions?]>();
  expectTypeOf<Session["generate"]>().returns.resolves.toEqualTypeOf<GenerateResult>();
  expectTypeOf<Session["truncate"]>().parameters.toEqualTypeOf<[number]>();
  expectTypeOf<Session["truncate"]>().returns.resolves.toBeVoid();
  expectTypeOf<Session["stats"]>().returns.toEqualTypeOf<SessionStats>();
  expectTypeOf<Session["tokenize"]>().returns.toEqualTypeOf<number[]>();
  expectTypeOf<Session["detokenize"]>().returns.toBeString();
  expectTypeOf<Session["pair"]>().toEqualTypeOf<Pair>();
  checked((pair, session) => {
    // @ts-expect-error results are read-only
    pair.info.contextSize = 5;
    // @ts-expect-error results are read-only
    session.stats().stage = "empty";
    // @ts-expect-error a pair is made by loadPair
    pair.info.gpu = "opencl";
    return [
      session.prefill([1, 2]),
      session.prefill(Uint32Array.of(1)),
      // @ts-expect-error a prompt is text or token ids
      session.prefill(5),
      // @ts-expect-error refresh belongs to the prefill
      session.decode({ refresh: false }),
      session.decode({ stop: "x", logitBias: { 5: -1 } }),
      session.decode({ stop: ["x"] as const, logitBias: new Map([[5, 1]]) }),
    ];
  });
  t.is(typeof Session.prototype.prefill, "function");
});

test("an answer is an async iterable of chunks that ends with a result", (t) => {
  expectTypeOf<DecodeStream>().toExtend<AsyncIterable<DecodeChunk, DecodeResult>>();
  expectTypeOf<DecodeStream["result"]>().resolves.toEqualTypeOf<DecodeResult>();
  expectTypeOf<DecodeChunk["text"]>().toBeString();
  expectTypeOf<DecodeChunk["tokens"]>().toEqualTypeOf<readonly number[]>();
  expectTypeOf<NonNullable<DecodeChunk["logProbs"]>[number]["top"]>().toEqualTypeOf<readonly TokenLogProb[]>();
  expectTypeOf<DecodeResult["stop"]>().toEqualTypeOf<string | undefined>();
  expectTypeOf<FinishReason>().toEqualTypeOf<"eos" | "stop" | "length" | "context" | "abort">();
  t.is(typeof DecodeStream.prototype[Symbol.asyncIterator], "function");
});

test("what owns native memory can be disposed of with await using", (t) => {
  expectTypeOf<Pair>().toExtend<AsyncDisposable>();
  expectTypeOf<Session>().toExtend<AsyncDisposable>();
  t.is(typeof Pair.prototype[Symbol.asyncDispose], "function");
  t.is(typeof Session.prototype[Symbol.asyncDispose], "function");
});

test("string unions name what there is", (t) => {
  expectTypeOf<CacheType>().toEqualTypeOf<
    "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl"
  >();
  expectTypeOf<SessionStage>().toEqualTypeOf<"empty" | "prefilled" | "switched" | "paused" | "ended" | "interrupted">();
  expectTypeOf<ModelSource["gpuLayers"]>().toEqualTypeOf<number | "all" | undefined>();
  expectTypeOf<OverfillErrorCode>().toExtend<`ERR_${string}`>();
  t.pass();
});

test("no public option or result is any", (t) => {
  expectTypeOf<LoadPairOptions[keyof LoadPairOptions]>().not.toBeAny();
  expectTypeOf<DecodeOptions[keyof DecodeOptions]>().not.toBeAny();
  expectTypeOf<GenerateOptions[keyof GenerateOptions]>().not.toBeAny();
  expectTypeOf<GenerateResult[keyof GenerateResult]>().not.toBeAny();
  expectTypeOf<PairInfo[keyof PairInfo]>().not.toBeAny();
  expectTypeOf<OverfillError["details"]>().not.toBeAny();
  t.is(new OverfillError("ERR_INTERNAL", "x").code, "ERR_INTERNAL");
});
