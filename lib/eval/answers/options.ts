/** What callers may ask of a model that writes answers to prompts. */

import type { PrefillSource, SamplingOptions } from "../../engine/index.js";
import type { BadLine } from "../../internal/bad-line.js";
import type { Loading } from "../options.js";

/** What the work consists of, in this order. */
export type AnswerStage = "loading" | "answering";

/** How far the answers have come. */
export interface AnswerProgress {
  readonly stage: AnswerStage;
  /** Prompts that are done, those of an earlier run included; in stage `loading` 0. */
  readonly prompts: number;
  readonly totalPrompts: number;
  /** Answers that were kept. */
  readonly kept: number;
  /** Tokens that all answers together have, those of an earlier run included. */
  readonly tokens: number;
  /** Of this run; 0 before the first prompt is done. */
  readonly tokensPerSecond: number;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
}

/** Options of {@link answerPrompts}. */
export interface AnswerPromptsOptions
  extends Pick<
      Loading,
      "contextSize" | "batchSize" | "threads" | "kernels" | "gpu" | "cacheTypeK" | "cacheTypeV" | "flashAttention"
    >,
    Pick<SamplingOptions, "topK" | "topP" | "minP"> {
  /** The model that answers: the full model, with its adapters if it has any. */
  readonly model: string | URL | PrefillSource;
  /**
   * A JSONL file of prompts, a line each: `{ "prompt": "..." }`, or `{ "messages": [...] }` for the model's chat template.
   * A response that is there is passed over, so that training data can be answered anew. This, `fromText` or both.
   */
  readonly data?: string | URL | undefined;
  /**
   * Files of plain text, which are cut into windows; each is a prompt that the model goes on with, or is asked about with
   * a `template`. @default none
   */
  readonly fromText?: readonly (string | URL)[] | undefined;
  /** Tokens of a window of plain text: 1 to 1048576. @default 128 */
  readonly promptTokens?: number | undefined;
  /** What the user says about each window of plain text, which stands for `{text}`, in a chat. @default none */
  readonly template?: string | undefined;
  /** Where to write the answers, as lines that {@link heal} reads. What is there is replaced, but for `resume`. */
  readonly out: string | URL;
  /** Goes on with answers that were interrupted, if there are any in `out`. @default false */
  readonly resume?: boolean | undefined;
  /** Answers to each prompt: 1 to 256. @default 1 */
  readonly answers?: number | undefined;
  /** Tokens of an answer at most: 1 or more. @default 256 */
  readonly maxTokens?: number | undefined;
  /** 0 to 1000; 0 takes the most likely token. @default 0.8 */
  readonly temperature?: number | undefined;
  /** Strings that end an answer; they are not part of it. @default none */
  readonly stop?: string | readonly string[] | undefined;
  /**
   * 0 to 2^32 - 1. What an answer's draws depend on: this, its prompt's text and its own number, and nothing else.
   * @default 1
   */
  readonly seed?: number | undefined;
  /**
   * Whether each token is computed alone, so that answers are the same to the last bit however many are written at once
   * and wherever a run was interrupted. Otherwise they share batches, which is faster for models that are not tiny and may
   * now and then tip a draw. @default false
   */
  readonly deterministic?: boolean | undefined;
  /** Answers that are written at once: 1 to 256. Each takes `contextSize` tokens of KV cache. @default 8 */
  readonly sessions?: number | undefined;
  /** Whether answers stay that `maxTokens` or the context has cut off; docs/answer.md says as what. @default false */
  readonly keepCut?: boolean | undefined;
  /** Whether answers stay that are nearly those of the same prompt before them. @default false */
  readonly keepDuplicates?: boolean | undefined;
  /**
   * From which share of common pieces of five characters on two answers are nearly the same: above 0, to 1, which are equal
   * ones but for case and white space. @default 0.8
   */
  readonly similarity?: number | undefined;
  /** Bad lines allowed, each of which is reported and skipped; one more ends the work: 0 or more. @default 10 */
  readonly maxBadLines?: number | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: AnswerProgress) => void) | undefined;
  /** Called for each line that is skipped; of a run that goes on, also for those before. */
  readonly onBadLine?: ((line: BadLine) => void) | undefined;
  /** Stops the work, for `resume` to go on with; the call then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Answer of {@link answerPrompts}. All but the times are totals of the run that began the file and of those that went on. */
export interface AnswerPromptsResult {
  readonly path: string;
  readonly prompts: number;
  /** All that were written: `kept`, `cutOff`, `duplicates` and `failed` together. */
  readonly answers: number;
  /** Lines of the file. */
  readonly kept: number;
  /** Left out: the answer was longer than `maxTokens` or the context. */
  readonly cutOff: number;
  /** Left out: nearly an answer that the same prompt has. */
  readonly duplicates: number;
  /** Left out: empty, or with bytes that are no text. */
  readonly failed: number;
  /** Of all answers, those left out as well. */
  readonly tokens: number;
  /** How many prompts were done before this run; absent: it began anew. */
  readonly firstPrompt?: number;
  readonly badLines: readonly BadLine[];
  /** Of this run's answers, loading left out. */
  readonly tokensPerSecond: number;
  /** Of this run. */
  readonly ms: number;
}
