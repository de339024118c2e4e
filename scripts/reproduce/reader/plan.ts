/** How much of everything the reproduction of trained readers takes. All of it goes into the keys of its jobs. */

export interface ReaderPlan {
  readonly contextSize: number;
  /** Shares of hidden and feed-forward channels that a writer is without. */
  readonly ratios: readonly number[];
  /** Of the optimiser, the same for every side that is trained. */
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Of the reader's low-rank factors. */
  readonly rank: number;
  /** Orders of the data. */
  readonly seeds: readonly number[];
  /** Of each family. */
  readonly questions: number;
  readonly resamples: number;
}

const whole: ReaderPlan = {
  contextSize: 512,
  ratios: [0.45, 0.7],
  steps: 75,
  batch: 32,
  learningRate: 2e-3,
  rank: 16,
  seeds: [1, 2, 3],
  questions: 25,
  resamples: 1000,
};

/** The same ways with fewer steps and questions, in a few minutes on two cores. */
const quick: ReaderPlan = { ...whole, steps: 25, seeds: [1], questions: 10, resamples: 200 };

export const readerPlans = { whole, quick };
