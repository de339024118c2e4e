/** Checks what callers hand over to an evaluation. What only loading needs is {@link loadPair}'s to check. */

import type { DecodeSource, PrefillSource } from "../engine/index.js";
import { check, refusedArgument } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import {
  callback,
  type InputOf,
  list,
  maxInt32,
  maxUint32,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  text,
  whole,
} from "../internal/option-schemas.js";
import { quality, refreshBudget } from "../internal/quality-schema.js";
import * as z from "../internal/schema.js";
import type { EvaluationTask } from "./data/tasks.js";
import { metricNames } from "./metrics/index.js";
import type { MetricName } from "./metrics/metric.js";
import { model, pairLoading } from "./model-schema.js";
import type { EvaluateOptions } from "./options.js";

const tokens = onFirstUse(() => whole(1, 1_048_576));

const allMetrics = Object.values(metricNames).flat() as [MetricName, ...MetricName[]];

const evaluateSchema = onFirstUse(() =>
  z
    .strictObject({
      prefill: model<PrefillSource>(),
      decode: z.optional(model<DecodeSource>()),
      data: path(),
      task: z.optional(z.oneOf(["responses", "generate", "choices"])),
      refreshIntervals: z.withDefault(list("a list of at most 16 refresh intervals", tokens(), 0, 16), []),
      refreshBudgets: z.withDefault(list("a list of at most 16 shares", refreshBudget(), 0, 16), []),
      qualities: z.withDefault(list("a list of at most 16 qualities", quality(), 0, 16), []),
      metrics: z.optional(list("a list of at least one metric", z.oneOf(allMetrics), 1)),
      maxExamples: z.optional(whole(1)),
      maxTokens: z.withDefault(whole(1, maxInt32), 256),
      stop: z.optional(z.union([text(), list("a list of at most 64 such texts", text(), 0, 64)])),
      windowSize: z.optional(whole(3, 16_777_216)),
      timedTokens: z.withDefault(whole(0, 1_048_576), 32),
      confidence: z.withDefault(inWords("a number above 0 and below 1", z.number().check(z.gt(0), z.lt(1))), 0.95),
      resamples: z.withDefault(whole(100, 1_000_000), 1000),
      seed: z.withDefault(whole(0, maxUint32), 1),
      maxBadLines: z.withDefault(whole(0), 10),
      onProgress: z.optional(callback<NonNullable<EvaluateOptions["onProgress"]>>()),
      onBadLine: z.optional(callback<NonNullable<EvaluateOptions["onBadLine"]>>()),
      onExample: z.optional(callback<NonNullable<EvaluateOptions["onExample"]>>()),
      signal: z.optional(signal()),
      contextSize: z.optional(whole(1, 16_777_216)),
      ...pairLoading(),
    } satisfies SchemasOf<EvaluateOptions>)
    .check(
      z.checkedBy((context) => {
        const { refreshIntervals, refreshBudgets, windowSize, contextSize } = context.value;
        const refuse = (option: string, message: string) =>
          context.issues.push({ code: "custom", input: context.value, path: [option], message });
        if (new Set(refreshIntervals).size < refreshIntervals.length)
          refuse("refreshIntervals", "expected different intervals");
        if (new Set(refreshBudgets).size < refreshBudgets.length) refuse("refreshBudgets", "expected different shares");
        if (windowSize !== undefined && contextSize !== undefined && windowSize > contextSize)
          refuse("windowSize", `expected at most contextSize, ${contextSize}`);
      }),
    ),
);

export const checkEvaluateOptions = (value: EvaluateOptions) =>
  check(evaluateSchema(), value satisfies InputOf<typeof evaluateSchema>, "options");

export type CheckedEvaluateOptions = ReturnType<typeof checkEvaluateOptions>;

/** The metrics to report. Throws ERR_INVALID_ARGUMENT for one that is not the task's. */
export function checkMetrics(asked: readonly MetricName[] | undefined, task: EvaluationTask): readonly MetricName[] {
  const known = metricNames[task];
  const foreign = asked?.find((name) => !known.includes(name));
  if (foreign !== undefined)
    throw refusedArgument("options.metrics", `expected metrics of the task "${task}": ${known.join(", ")}`, foreign);
  return asked === undefined ? known : known.filter((name) => asked.includes(name));
}

/** Throws ERR_INVALID_ARGUMENT for rows that can only write answers, in a task where tokens are scored. */
export function checkWrittenRows(
  { qualities, refreshBudgets }: Pick<CheckedEvaluateOptions, "qualities" | "refreshBudgets">,
  task: EvaluationTask,
): void {
  if (task === "generate") return;
  for (const [option, values] of Object.entries({ qualities, refreshBudgets }))
    if (values.length > 0)
      throw refusedArgument(
        `options.${option}`,
        'expected none but with the task "generate": what decides them is how an answer goes on',
        JSON.stringify(values),
      );
}

/** The window to read plain text in. Throws ERR_INVALID_ARGUMENT for one that the context cannot hold. */
export function checkWindowSize(asked: number | undefined, contextSize: number): number {
  if (asked !== undefined && asked > contextSize)
    throw refusedArgument("options.windowSize", `expected at most the ${contextSize} of the context`, String(asked));
  return asked ?? Math.min(512, contextSize);
}
