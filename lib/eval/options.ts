/** What callers may ask of an evaluation. */

import type { DecodeQuality, DecodeSource, LoadPairOptions, PrefillSource } from "../engine/index.js";
import type { BadLine } from "../internal/bad-line.js";
import type { EvaluationTask } from "./data/tasks.js";
import type { MetricName } from "./metrics/metric.js";
import type { ExampleResult } from "./report.js";
import type { EvaluatedRow } from "./rows.js";

export type { EvaluationTask } from "./data/tasks.js";
/** The figures; docs/eval.md has the formula of each. */
export type { MetricName } from "./metrics/metric.js";

/** What an evaluation does, in this order; loading comes again for each model by itself. */
export type EvaluationStage = "loading" | "reading" | "scoring" | "generating" | "timing" | "resampling";

/** How far an evaluation has come. */
export interface EvaluationProgress {
  readonly stage: EvaluationStage;
  /** The row that is at work, where one is. */
  readonly row?: EvaluatedRow;
  /** Of the stage. */
  readonly done: number;
  readonly total: number;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
}

/** How both models are loaded: as {@link loadPair} has it. */
export type Loading = Omit<
  LoadPairOptions,
  | "prefill"
  | "decode"
  | "cacheTokens"
  | "maxSessions"
  | "queue"
  | "prefillShare"
  | "prefixCache"
  | "onProgress"
  | "remote"
  | "signal"
>;

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends Loading {
  /** The full model. */
  readonly prefill: string | URL | PrefillSource;
  /** @default the prefill model itself, a pair of one: every row is then the same model */
  readonly decode?: string | URL | DecodeSource | undefined;
  /** A JSONL file in one of the shapes of docs/eval.md, or a plain text named `*.txt`. */
  readonly data: string | URL;
  /** @default what the fields of the first usable line say */
  readonly task?: EvaluationTask | undefined;
  /** One more row for each: two-stage with a refresh after this many tokens, 1 to 1048576. @default none */
  readonly refreshIntervals?: readonly number[] | undefined;
  /**
   * Task `"generate"`: one more row for each, two-stage with a {@link DecodeOptions.refreshBudget}: above 0, at most 1.
   * @default none
   */
  readonly refreshBudgets?: readonly number[] | undefined;
  /**
   * Task `"generate"`: one more row for each, two-stage with a {@link DecodeOptions.quality}; `"fast"` is the row
   * `"two-stage"`. @default none
   */
  readonly qualities?: readonly DecodeQuality[] | undefined;
  /** Metrics to report, of the task's. @default all of the task's */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Examples, from the file's beginning: 1 or more. @default all */
  readonly maxExamples?: number | undefined;
  /** Task `"generate"`: tokens of an answer at most, 1 or more. @default 256 */
  readonly maxTokens?: number | undefined;
  /** Task `"generate"`: strings that end an answer; they are not part of it. @default none */
  readonly stop?: string | readonly string[] | undefined;
  /** Tokens of a window of plain text, of which the second half is scored: 3 or more. @default 512, or the context if less */
  readonly windowSize?: number | undefined;
  /**
   * Tasks `"responses"` and `"choices"`: tokens that each row writes after each of the first four prompts, to be timed: 0
   * (nothing is timed) to 1048576. In task `"generate"` the answers are timed.
   * @default 32
   */
  readonly timedTokens?: number | undefined;
  /** Of the intervals: above 0, below 1. @default 0.95 */
  readonly confidence?: number | undefined;
  /** Draws of the bootstrap: 100 to 1000000. @default 1000 */
  readonly resamples?: number | undefined;
  /** Of the bootstrap: 0 to 2^32 - 1. @default 1 */
  readonly seed?: number | undefined;
  /** Bad lines allowed, each of which is reported and skipped; one more ends the evaluation: 0 or more. @default 10 */
  readonly maxBadLines?: number | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Called for each line that is skipped. */
  readonly onBadLine?: ((line: BadLine) => void) | undefined;
  /** Called for each row's result on each example, as it comes. */
  readonly onExample?: ((result: ExampleResult) => void) | undefined;
  /** Stops the evaluation, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}
