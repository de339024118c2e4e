/** The public types of this room. `npm run typecheck` is what makes this file fail; running it only counts it. */

import test from "ava";
import { expectTypeOf } from "expect-type";
import {
  type AnswerProgress,
  type AnswerPromptsOptions,
  type AnswerPromptsResult,
  type AnswerStage,
  answerPrompts,
  type BadLine,
  type BenchOptions,
  type BenchReport,
  type BenchWay,
  bench,
  type Estimate,
  type EvaluatedRow,
  type EvaluateOptions,
  type EvaluationProgress,
  type EvaluationReport,
  type EvaluationStage,
  type EvaluationTask,
  type ExampleResult,
  evaluate,
  type MetricName,
  type RowReport,
} from "../../lib/index.js";

/** Code that is checked, never run. */
const checked = (_body: (report: EvaluationReport) => unknown): void => {};

test("an evaluation takes its options and gives its report", (t) => {
  expectTypeOf(evaluate).parameters.toEqualTypeOf<[EvaluateOptions]>();
  expectTypeOf(evaluate).returns.resolves.toEqualTypeOf<EvaluationReport>();
  checked((report) => {
    // @ts-expect-error reports are read-only
    report.examples = 5;
    // @ts-expect-error a pair of one has no decode model
    report.decode.path.trim();
    // @ts-expect-error a figure may have no value
    report.rows[0]?.figures.f1.value.toFixed();
    const { signal } = new AbortController();
    return [
      evaluate({ prefill: "f.gguf", data: "d.jsonl" }),
      evaluate({
        prefill: new URL("file:///f.gguf"),
        decode: { model: "d.gguf", cacheTypeK: "q8_0" },
        data: "d.jsonl",
      }),
      evaluate({
        prefill: "f.gguf",
        data: "d.jsonl",
        refreshIntervals: [8] as const,
        metrics: ["f1"] as const,
        signal,
      }),
      evaluate({ prefill: "f.gguf", data: "d.jsonl", translator: { layers: "first" }, stop: "\n", gpu: false }),
      // @ts-expect-error data is required
      evaluate({ prefill: "f.gguf" }),
      // @ts-expect-error no such task
      evaluate({ prefill: "f.gguf", data: "d.jsonl", task: "perplexity" }),
      // @ts-expect-error no such metric
      evaluate({ prefill: "f.gguf", data: "d.jsonl", metrics: ["rouge1"] }),
      // @ts-expect-error an evaluation has one session at a time
      evaluate({ prefill: "f.gguf", data: "d.jsonl", maxSessions: 2 }),
    ];
  });
  t.is(typeof evaluate, "function");
});

test("string unions name what there is", (t) => {
  expectTypeOf<EvaluationTask>().toEqualTypeOf<"responses" | "generate" | "choices">();
  expectTypeOf<EvaluationStage>().toEqualTypeOf<
    "loading" | "reading" | "scoring" | "generating" | "timing" | "resampling"
  >();
  expectTypeOf<ExampleResult["task"]>().toEqualTypeOf<EvaluationTask>();
  expectTypeOf<RowReport["row"]>().toEqualTypeOf<EvaluatedRow>();
  expectTypeOf<keyof RowReport["figures"]>().toEqualTypeOf<MetricName>();
  expectTypeOf<EvaluationReport["badLines"]>().toEqualTypeOf<readonly BadLine[]>();
  t.pass();
});

test("no public option or result is any", (t) => {
  expectTypeOf<EvaluateOptions[keyof EvaluateOptions]>().not.toBeAny();
  expectTypeOf<EvaluationProgress[keyof EvaluationProgress]>().not.toBeAny();
  expectTypeOf<EvaluationReport[keyof EvaluationReport]>().not.toBeAny();
  expectTypeOf<RowReport[keyof RowReport]>().not.toBeAny();
  expectTypeOf<Estimate[keyof Estimate]>().not.toBeAny();
  t.pass();
});

test("a benchmark takes its options and gives its report", (t) => {
  expectTypeOf(bench).parameters.toEqualTypeOf<[BenchOptions]>();
  expectTypeOf(bench).returns.resolves.toEqualTypeOf<BenchReport>();
  expectTypeOf<{ acceptance: number }>().toExtend<BenchWay>();
  expectTypeOf<"two-stage">().not.toExtend<BenchWay>();
  const body = (report: BenchReport) => {
    // @ts-expect-error reports are read-only
    report.rounds = 5;
    // @ts-expect-error a benchmark needs two models
    return [bench({ prefill: "f.gguf" }), bench({ prefill: "f.gguf", decode: "d.gguf", prompts: ["Hello", [1, 2]] })];
  };
  t.is(typeof body, "function");
});

test("answers take their options and give their result", (t) => {
  expectTypeOf(answerPrompts).parameters.toEqualTypeOf<[AnswerPromptsOptions]>();
  expectTypeOf(answerPrompts).returns.resolves.toEqualTypeOf<AnswerPromptsResult>();
  expectTypeOf<AnswerStage>().toEqualTypeOf<"loading" | "answering">();
  expectTypeOf<AnswerProgress["fraction"]>().toBeNumber();
  checked(() => [
    answerPrompts({ model: "f.gguf", data: "p.jsonl", out: "o.jsonl", answers: 4, stop: ["\n"] as const }),
    answerPrompts({
      model: { model: new URL("file:///f.gguf"), gpuLayers: 0 },
      fromText: ["a.txt"] as const,
      out: "o",
    }),
    // @ts-expect-error a place for the answers is required
    answerPrompts({ model: "f.gguf", data: "p.jsonl" }),
    // @ts-expect-error one model writes
    answerPrompts({ model: "f.gguf", data: "p.jsonl", out: "o", decode: "d.gguf" }),
  ]);
  t.pass();
});
