/** Checks what callers hand over to an evaluation. What only loading needs is {@link loadPair}'s to check. */

import { z } from "zod";
import { callback, check, gpu, path, refusedArgument, signal, threads } from "../internal/check-options.js";
import type { EvaluationTask } from "./data/tasks.js";
import { metricNames } from "./metrics/index.js";
import type { MetricName } from "./metrics/metric.js";

const count = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const tokens = z.int().min(1).max(1_048_576);
const maxInt32 = 2 ** 31 - 1;

/** A path by itself is a model with nothing else said. */
const model = z.union(
  [path.transform((file) => ({ model: file })), z.looseObject({ model: path })],
  "expected a path, a URL or an object with a model",
);

const allMetrics = Object.values(metricNames).flat() as [MetricName, ...MetricName[]];

const evaluateSchema = z
  .strictObject({
    prefill: model,
    decode: model.optional(),
    data: path,
    task: z.enum(["responses", "generate", "choices"]).optional(),
    refreshIntervals: z.array(tokens).max(16).default([]),
    metrics: z.array(z.enum(allMetrics)).min(1).optional(),
    maxExamples: count.optional(),
    maxTokens: z.int().min(1).max(maxInt32).default(256),
    stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(64)]).optional(),
    windowSize: z.int().min(3).max(16_777_216).optional(),
    timedTokens: z.int().min(0).max(1_048_576).default(32),
    confidence: z.number().gt(0).lt(1).default(0.95),
    resamples: z.int().min(100).max(1_000_000).default(1000),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(1),
    maxBadLines: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(10),
    onProgress: callback.optional(),
    onBadLine: callback.optional(),
    onExample: callback.optional(),
    signal: signal.optional(),
    contextSize: z.int().min(1).max(16_777_216).optional(),
    threads: threads.optional(),
    gpu: gpu.optional(),
    translator: z.unknown().optional(),
    batchSize: z.unknown().optional(),
    cacheTypeK: z.unknown().optional(),
    cacheTypeV: z.unknown().optional(),
    flashAttention: z.unknown().optional(),
    handover: z.unknown().optional(),
    implementation: z.unknown().optional(),
  })
  .superRefine(({ refreshIntervals, windowSize, contextSize }, context) => {
    const refuse = (option: string, message: string) => context.addIssue({ code: "custom", path: [option], message });
    if (new Set(refreshIntervals).size < refreshIntervals.length)
      refuse("refreshIntervals", "expected different intervals");
    if (windowSize !== undefined && contextSize !== undefined && windowSize > contextSize)
      refuse("windowSize", `expected at most contextSize, ${contextSize}`);
  });

export const checkEvaluateOptions = (value: unknown) => check(evaluateSchema, value, "options");

export type CheckedEvaluateOptions = ReturnType<typeof checkEvaluateOptions>;

/** The metrics to report. Throws ERR_INVALID_ARGUMENT for one that is not the task's. */
export function checkMetrics(asked: readonly MetricName[] | undefined, task: EvaluationTask): readonly MetricName[] {
  const known = metricNames[task];
  const foreign = asked?.find((name) => !known.includes(name));
  if (foreign !== undefined)
    throw refusedArgument("options.metrics", `expected metrics of the task "${task}": ${known.join(", ")}`, foreign);
  return asked === undefined ? known : known.filter((name) => asked.includes(name));
}

/** The window to read plain text in. Throws ERR_INVALID_ARGUMENT for one that the context cannot hold. */
export function checkWindowSize(asked: number | undefined, contextSize: number): number {
  if (asked !== undefined && asked > contextSize)
    throw refusedArgument("options.windowSize", `expected at most the ${contextSize} of the context`, String(asked));
  return asked ?? Math.min(512, contextSize);
}
