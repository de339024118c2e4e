/** The public types of this room. `npm run typecheck` is what makes this file fail; running it only counts it. */

import test from "ava";
import { expectTypeOf } from "expect-type";
import {
  type BadLine,
  type CreateModelOptions,
  type CreateModelResult,
  createModel,
  type Evaluation,
  estimateHeal,
  type HealEstimate,
  type HealOptions,
  type HealProgress,
  type HealReason,
  type HealResult,
  type HealStage,
  heal,
  type RateSchedule,
  type TrainedSide,
  type TrainedType,
  type TrainingMode,
  type TranslatorOutType,
  type WrittenReader,
  type WrittenTranslator,
} from "../../lib/index.js";

/** Code that is checked, never run. */
const checked = (_body: (result: HealResult) => unknown): void => {};

test("each call takes its options and gives its result", (t) => {
  expectTypeOf(heal).parameters.toEqualTypeOf<[HealOptions]>();
  expectTypeOf(heal).returns.resolves.toEqualTypeOf<HealResult>();
  expectTypeOf(estimateHeal).parameters.toEqualTypeOf<[HealOptions]>();
  expectTypeOf(estimateHeal).returns.resolves.toEqualTypeOf<HealEstimate>();
  expectTypeOf(createModel).parameters.toEqualTypeOf<[CreateModelOptions]>();
  expectTypeOf(createModel).returns.resolves.toEqualTypeOf<CreateModelResult>();
  checked((result) => {
    // @ts-expect-error results are read-only
    result.losses[0] = 5;
    // @ts-expect-error it may have begun at the beginning
    result.firstStep.toFixed();
    const files = { full: "f.gguf", student: "s.gguf", data: "d.jsonl", out: "o.gguf" };
    const { signal } = new AbortController();
    const shape = { hiddenSize: 64, feedForwardSize: 128, layers: 2, heads: 4, kvHeads: 2 };
    return [
      heal({ ...files, student: { model: new URL("file:///s.gguf"), gpuLayers: 0 }, signal }),
      heal({ ...files, distillation: {}, lora: { rank: 8, targets: ["*attn*"] as const }, freeze: ["*"] as const }),
      heal({ ...files, onProgress: ({ stage }) => stage, onBadLine: ({ line }) => line, onEvaluation: () => 0 }),
      heal({ ...files, trainTranslator: true, translatorOut: new URL("file:///t.gguf"), translatorType: "f16" }),
      heal({ ...files, train: "reader", readerLora: false }),
      heal({ ...files, train: "both", readerOut: new URL("file:///r.gguf"), readerLora: { rank: 8 } }),
      createModel({ out: "a.gguf", tokenizer: "b.gguf", ...shape, type: "bf16" }),
      // @ts-expect-error what to train is required
      heal({ full: "f.gguf", data: "d.jsonl", out: "o.gguf" }),
      // @ts-expect-error no such mode
      heal({ ...files, mode: "kl" }),
      // @ts-expect-error no such type
      heal({ ...files, type: "q4_k_m" }),
      // @ts-expect-error a rank is required
      heal({ ...files, lora: { alpha: 16 } }),
      // @ts-expect-error a shape is required
      createModel({ out: "a.gguf", tokenizer: "b.gguf" }),
    ];
  });
  t.is(typeof heal, "function");
});

test("string unions name what there is", (t) => {
  expectTypeOf<TrainingMode>().toEqualTypeOf<"overfill" | "sft" | "full">();
  expectTypeOf<TrainedSide>().toEqualTypeOf<"writer" | "reader" | "both">();
  expectTypeOf<HealStage>().toEqualTypeOf<"loading" | "training" | "evaluating" | "writing">();
  expectTypeOf<HealReason>().toEqualTypeOf<"steps" | "patience">();
  expectTypeOf<RateSchedule>().toEqualTypeOf<"constant" | "linear" | "cosine">();
  expectTypeOf<TrainedType>().toEqualTypeOf<"same" | "f32" | "f16" | "bf16" | "q8_0">();
  expectTypeOf<HealResult["evaluations"]>().toEqualTypeOf<readonly Evaluation[]>();
  expectTypeOf<HealResult["badLines"]>().toEqualTypeOf<readonly BadLine[]>();
  t.pass();
});

test("a translator is written in a type of its own, and may be absent from the result", (t) => {
  expectTypeOf<HealOptions["translatorType"]>().toEqualTypeOf<TranslatorOutType | undefined>();
  expectTypeOf<HealResult["translator"]>().toEqualTypeOf<WrittenTranslator | undefined>();
  expectTypeOf<HealResult["reader"]>().toEqualTypeOf<WrittenReader | undefined>();
  t.pass();
});

test("no public option or result is any", (t) => {
  expectTypeOf<HealOptions[keyof HealOptions]>().not.toBeAny();
  expectTypeOf<HealProgress[keyof HealProgress]>().not.toBeAny();
  expectTypeOf<HealResult[keyof HealResult]>().not.toBeAny();
  expectTypeOf<CreateModelOptions[keyof CreateModelOptions]>().not.toBeAny();
  t.pass();
});
