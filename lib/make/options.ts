/** What callers may ask of making a pair. */

import type { AnswerPromptsOptions } from "../eval/index.js";
import type { BadLine } from "../internal/bad-line.js";
import type { GpuOption, ModelSource } from "../internal/model-source.js";
import type { QuantizationType } from "../prune/index.js";
import type { HealOptions } from "../train/index.js";

/** What making a pair consists of, in this order. What is not needed is left out. */
export type MakeStep =
  | "measuring"
  | "answering"
  | "importance"
  | "choosing"
  | "pruning"
  | "healing"
  | "evaluating"
  | "quantizing"
  | "comparing";

/** How far the work has come. */
export interface MakeProgress {
  readonly step: MakeStep;
  /** Of the steps that there are, from 1. */
  readonly index: number;
  readonly steps: number;
  /** Of the step: 0 to 1. */
  readonly fraction: number;
  /** In words, such as `step 20 of 300`; may be empty. */
  readonly detail: string;
  /** While healing: of the last step, in nats a token. */
  readonly loss?: number;
  /** Until all is done, in milliseconds: by the pace of this step, and by what the later ones were estimated to take. */
  readonly remainingMs?: number;
}

/** How the full model answers the prompts: see {@link answerPrompts}. */
export type MakeAnswering = Pick<
  AnswerPromptsOptions,
  "answers" | "maxTokens" | "temperature" | "topK" | "topP" | "minP" | "stop" | "sessions" | "keepCut"
>;

/** How the decode model is trained: see {@link heal}. */
export type MakeHealing = Pick<
  HealOptions,
  | "epochs"
  | "maxSteps"
  | "batchSize"
  | "microBatchTokens"
  | "contextSize"
  | "learningRate"
  | "schedule"
  | "warmUp"
  | "weightDecay"
  | "distillation"
  | "lora"
  | "checkpointInterval"
>;

/** Options of {@link makePair}. At least one of `speedUp`, `targetSize`, `targetBytes` and `quantize` must be there. */
export interface MakePairOptions {
  /** The full model. It stays where it is, and the pair's folder names it by its path. */
  readonly model: string | URL | ModelSource;
  /** The pair's folder. It is made if it is not there. What was begun in it goes on. */
  readonly out: string | URL;
  /** A JSONL file of prompts, as for {@link AnswerPromptsOptions.data}. */
  readonly data: string | URL;
  /**
   * How many times as fast as the full model the decode model is to write, on this machine and behind the full model:
   * above 1, to 1000. Not together with `targetSize` and `targetBytes`.
   */
  readonly speedUp?: number | undefined;
  /** Parameters that the decode model has at most: a number, or text such as `"1.0B"`. Not together with `targetBytes`. */
  readonly targetSize?: number | string | undefined;
  /** Bytes of tensors that it has at most: a number, or text such as `"900MB"`. */
  readonly targetBytes?: number | string | undefined;
  /**
   * Type of the decode model. By itself it makes a pair without pruning and healing: the full model and its quantisation.
   * @default with `speedUp`: chosen; else "q8_0"
   */
  readonly quantize?: QuantizationType | undefined;
  /**
   * Whether the full model answers the prompts, or the data's own responses are learned.
   * @default "write"
   */
  readonly responses?: "write" | "keep" | undefined;
  /** @default as {@link answerPrompts} has it */
  readonly answering?: MakeAnswering | undefined;
  /** @default as {@link heal} has it */
  readonly healing?: MakeHealing | undefined;
  /** Prompts that are not learned from, to evaluate on: 1 or more. @default a tenth, at most 256 */
  readonly heldOut?: number | undefined;
  /** Plain text that importance is measured on. @default the prompts with their answers */
  readonly text?: string | URL | undefined;
  /** Tokens of a sample of that text: 2 to 1048576. @default 512, or less for a short text */
  readonly window?: number | undefined;
  /** Of the widths: 1 to 65536. @default as for {@link PruneOptions.multiple} */
  readonly multiple?: number | undefined;
  /**
   * 2: cuts half of the way, heals, measures importance again, cuts the rest and heals again, with half of the steps each.
   * @default 1
   */
  readonly rounds?: 1 | 2 | undefined;
  /** Tokens of a session, while measuring and for those who load the folder. @default as for {@link loadPair} */
  readonly contextSize?: number | undefined;
  /** Of all draws: 0 to 2^32 - 1. @default 1 */
  readonly seed?: number | undefined;
  /** Bad lines allowed in the data: 0 or more. @default 10 */
  readonly maxBadLines?: number | undefined;
  /** Threads to compute with: 1 to 512. @default as for {@link loadPair} */
  readonly threads?: number | undefined;
  /** As for {@link loadPair}. @default "auto" */
  readonly gpu?: GpuOption | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: MakeProgress) => void) | undefined;
  /** Called for each line of the data that is skipped. */
  readonly onBadLine?: ((line: BadLine) => void) | undefined;
  /** Stops the work, for the same call to go on with; it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}
