/** How much of everything the trained readers of English take. All of it goes into the keys of their jobs. */

import type { QuantizationType } from "../../../lib/index.js";

/** What is trained for a writer. A quantised one cannot be trained itself. */
export type TrainedWay = "adapter" | "weights" | "writer" | "both";

export type ReaderWriter = {
  readonly seeds: readonly number[];
  readonly trained: readonly TrainedWay[];
} & ({ readonly type: QuantizationType } | { readonly ratio: number });

export interface ReaderLanguagePlan {
  /** Of the models: the plan of `--language` by this name. */
  readonly models: "whole" | "small";
  readonly contextSize: number;
  /** One after the other; the first seed of each way before the second of any. */
  readonly writers: readonly ReaderWriter[];
  /** Of the optimiser, the same for every side that is trained. */
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Of the reader's low-rank factors. */
  readonly rank: number;
  /** Tokens of the prompts and of the responses that are learned from: least and most. */
  readonly prompt: readonly [number, number];
  readonly response: readonly [number, number];
  /** Places in the held-out texts that are gone on from, and tokens of the prompt before each. */
  readonly places: number;
  readonly promptLength: number;
  /** Where in a continuation figures are told: up to so many tokens, ascending; the last one is its length. */
  readonly bounds: readonly number[];
  readonly resamples: number;
}

const whole: ReaderLanguagePlan = {
  models: "whole",
  contextSize: 512,
  writers: [
    { type: "q2_k", seeds: [1, 2, 3], trained: ["adapter"] },
    { ratio: 0.7, seeds: [1, 2, 3], trained: ["adapter", "writer", "both"] },
  ],
  steps: 20,
  batch: 8,
  learningRate: 2e-3,
  rank: 16,
  prompt: [64, 256],
  response: [64, 128],
  places: 64,
  promptLength: 256,
  bounds: [16, 128],
  resamples: 1000,
};

/** The same ways with a model that hardly learns anything, in a minute: that all of it works, and nothing more. */
const small: ReaderLanguagePlan = {
  ...whole,
  models: "small",
  contextSize: 128,
  writers: [
    { type: "q4_k_m", seeds: [1, 2], trained: ["adapter"] },
    { ratio: 0.45, seeds: [1, 2], trained: ["adapter", "weights", "writer", "both"] },
  ],
  steps: 2,
  batch: 2,
  prompt: [16, 32],
  response: [16, 32],
  places: 3,
  promptLength: 32,
  bounds: [4, 16],
  resamples: 100,
};

export const readerLanguagePlans = { whole, small };
