/** How much of everything the reproduction on English takes. All of it goes into the keys of its jobs. */

import type { QuantizationType } from "../../../lib/index.js";
import type { Training } from "../plan.js";

/** A training on plain text. */
export interface TextTraining extends Training {
  /** Tokens of a window, of which `batch` make a step. */
  readonly window: number;
}

export interface LanguagePlan {
  readonly name: "language" | "language, small";
  /** Tokens of the vocabulary. */
  readonly vocabulary: number;
  /** The full model's shape: multiples of 256, so that every quantisation is what its name says. */
  readonly shape: {
    readonly hiddenSize: number;
    readonly feedForwardSize: number;
    readonly layers: number;
    readonly heads: number;
    readonly kvHeads: number;
  };
  readonly contextSize: number;
  /** The full model learns from short windows first, which cost less, then from whole contexts. */
  readonly short: TextTraining;
  readonly long: TextTraining;
  /** Tokens of text that importance is measured on. */
  readonly calibrationTokens: number;
  /** Writers that are the full model in another type. */
  readonly types: readonly QuantizationType[];
  /** Writers that are pruned by so much of hidden and feed-forward width. */
  readonly ratios: readonly number[];
  readonly heal: Training;
  /** Tokens of the prompts and of the responses that are learned from: least and most. */
  readonly healPrompt: readonly [number, number];
  readonly healResponse: readonly [number, number];
  readonly seeds: readonly number[];
  /** Tokens of the prompts that are asked, ascending. */
  readonly promptLengths: readonly number[];
  /** Where in a continuation figures are told: up to so many tokens, ascending; the last one is its length. */
  readonly bounds: readonly number[];
  /** Places in the held-out texts that are gone on from. */
  readonly places: number;
  /** Tokens after which the full model reads again. */
  readonly refreshIntervals: readonly number[];
  /** Of the checked answers between fast and exact. */
  readonly acceptance: number;
  readonly resamples: number;
  /** When speeds are measured, one writer at a time. */
  readonly speedThreads: number;
}

const whole: LanguagePlan = {
  name: "language",
  vocabulary: 4096,
  // 8.0 million parameters, a quarter of them the vocabulary's.
  shape: { hiddenSize: 512, feedForwardSize: 768, layers: 3, heads: 8, kvHeads: 4 },
  contextSize: 1536,
  short: { steps: 1200, batch: 8, window: 512, learningRate: 1.5e-3, threads: 2 },
  long: { steps: 60, batch: 8, window: 1536, learningRate: 5e-4, threads: 2 },
  calibrationTokens: 131_072,
  types: ["q8_0", "q6_k", "q4_k_m", "q4_0", "q3_k_m", "q2_k", "iq2_xs"],
  ratios: [0.25, 0.45, 0.7],
  heal: { steps: 60, batch: 8, learningRate: 1e-3 },
  healPrompt: [64, 1024],
  healResponse: [128, 500],
  seeds: [1, 2, 3],
  promptLengths: [64, 256, 1024],
  bounds: [16, 64, 256, 512],
  places: 8,
  refreshIntervals: [16, 64],
  acceptance: 0.3,
  resamples: 1000,
  speedThreads: 2,
};

/** The same ways with a model that hardly learns anything, in a minute: that all of it works, and nothing more. */
const small: LanguagePlan = {
  ...whole,
  name: "language, small",
  vocabulary: 512,
  shape: { hiddenSize: 256, feedForwardSize: 256, layers: 1, heads: 4, kvHeads: 2 },
  contextSize: 128,
  short: { steps: 10, batch: 4, window: 64, learningRate: 3e-3, threads: 1 },
  long: { steps: 2, batch: 2, window: 128, learningRate: 1e-3, threads: 1 },
  calibrationTokens: 2048,
  types: ["q4_k_m", "iq2_xs"],
  ratios: [0.45],
  heal: { steps: 3, batch: 2, learningRate: 1e-3 },
  healPrompt: [16, 64],
  healResponse: [16, 32],
  seeds: [1, 2],
  promptLengths: [16, 64],
  bounds: [8, 32],
  places: 2,
  refreshIntervals: [8],
  resamples: 100,
  speedThreads: 1,
};

export const languagePlans = { whole, small };
