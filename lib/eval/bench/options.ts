/** What callers may ask of a benchmark. */

import type { DecodeSource, PrefillSource, Prompt } from "../../engine/index.js";
import type { BadLine } from "../../internal/bad-line.js";
import type { Loading } from "../options.js";

/**
 * A way of writing an answer:
 * - `"prefill"`: the full model alone; `"decode"`: the decode model alone, which reads the prompt, too;
 * - `"fast"`, `"exact"` and `{ acceptance }`: the pair, with that `quality`;
 * - `{ refreshInterval }`: the pair, with refreshes.
 */
export type BenchWay =
  | "prefill"
  | "decode"
  | "fast"
  | "exact"
  | { readonly acceptance: number }
  | { readonly refreshInterval: number };

/** What a benchmark does, in this order. */
export type BenchStage = "loading" | "reading" | "comparing" | "timing";

/** How far a benchmark has come. */
export interface BenchProgress {
  readonly stage: BenchStage;
  /** What is at work, where something is. */
  readonly way?: BenchWay;
  readonly done: number;
  readonly total: number;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
}

/** Options of {@link bench}. */
export interface BenchOptions extends Loading {
  /** The full model. */
  readonly prefill: string | URL | PrefillSource;
  /** The small model. */
  readonly decode: string | URL | DecodeSource;
  /**
   * Prompts, with the responses to them where there are some: a JSONL file in one of the shapes of docs/eval.md but
   * choices, or a plain text named `*.txt`. Not together with `prompts`.
   * @default pieces of this package's documentation, of `promptLengths` tokens
   */
  readonly data?: string | URL | undefined;
  /** Prompts to answer. Not together with `data`. */
  readonly prompts?: readonly Prompt[] | undefined;
  /** Prompts of the data, taken evenly from the shortest to the longest: 1 or more. @default 8 */
  readonly maxExamples?: number | undefined;
  /**
   * Without data and prompts: tokens of the prompts that are made, at most 16 lengths; those that do not fit are left out.
   * @default [64, 256, 1024]
   */
  readonly promptLengths?: readonly number[] | undefined;
  /** Tokens of an answer at most: 2 or more. @default 64 */
  readonly maxTokens?: number | undefined;
  /** Of the answers that are timed: 0 to 1000; drafts are kept less often where it is high. How near they are is compared at 0. @default 0 */
  readonly temperature?: number | undefined;
  /** Times that each prompt is answered in each way, in turn: 1 to 100. @default 3 */
  readonly rounds?: number | undefined;
  /** Shares between `"fast"` and `"exact"`: see {@link QualityOptions.quality}. @default [0.3] */
  readonly acceptances?: readonly number[] | undefined;
  /** Also the pair with a refresh after so many tokens: 1 to 1048576 each. @default none */
  readonly refreshIntervals?: readonly number[] | undefined;
  /** Bad lines allowed, each of which is reported and skipped: 0 or more. @default 10 */
  readonly maxBadLines?: number | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: BenchProgress) => void) | undefined;
  /** Called for each line that is skipped. */
  readonly onBadLine?: ((line: BadLine) => void) | undefined;
  /** Stops the benchmark, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}
