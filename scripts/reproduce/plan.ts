/** How much of everything the reproduction takes: models, texts, steps. All of it goes into the keys of its jobs. */

export interface Training {
  /** Steps of the optimiser. */
  readonly steps: number;
  /** Examples a step. */
  readonly batch: number;
  /** @default 1: two trainings of such small models beside each other are faster than both on two threads */
  readonly threads?: number;
  readonly learningRate: number;
}

export interface Plan {
  readonly name: "whole" | "quick";
  /** The full model's shape. */
  readonly shape: {
    readonly hiddenSize: number;
    readonly feedForwardSize: number;
    readonly layers: number;
    readonly heads: number;
    readonly kvHeads: number;
  };
  readonly contextSize: number;
  /** The full model learns to copy first, then the tasks. */
  readonly copying: Training;
  readonly full: Training;
  /** Shares of hidden and feed-forward channels that are pruned. */
  readonly ratios: readonly number[];
  /** Steps of healing, each a training of its own from the same pruned start. */
  readonly healSteps: readonly number[];
  readonly heal: Omit<Training, "steps">;
  /**
   * Of the pair that is made to be shipped: a student of the first ratio, healed for longer than any of the table, and
   * on the texts that the full model learned from.
   */
  readonly demoSteps: number;
  /** From which of `healSteps` the table is made, and in which a model from scratch learns the tasks once and four times. */
  readonly tableSteps: number;
  /** Orders of the data. */
  readonly seeds: readonly number[];
  /** Tokens after which the full model reads again. */
  readonly refreshIntervals: readonly number[];
  /** The one of them with which a student is healed, too: it has then seen what a refresh does to its cache. */
  readonly healRefreshInterval: number;
  /** Questions of each family. */
  readonly questions: number;
  readonly resamples: number;
}

const whole: Plan = {
  name: "whole",
  shape: { hiddenSize: 128, feedForwardSize: 384, layers: 4, heads: 4, kvHeads: 4 },
  contextSize: 512,
  // Nothing else can be done until the full model is there: both threads are its own.
  copying: { steps: 2000, batch: 32, learningRate: 3e-3, threads: 2 },
  full: { steps: 13_000, batch: 32, learningRate: 2e-3, threads: 2 },
  ratios: [0.45, 0.7],
  healSteps: [25, 75, 150],
  heal: { batch: 32, learningRate: 2e-3 },
  demoSteps: 1500,
  tableSteps: 150,
  seeds: [1, 2, 3],
  refreshIntervals: [8, 16, 32],
  healRefreshInterval: 8,
  questions: 100,
  resamples: 1000,
};

/** The same ways with fewer steps, one ratio and two seeds, for a weekly run in ten minutes on two cores. */
const quick: Plan = {
  ...whole,
  name: "quick",
  copying: { ...whole.copying, steps: 1400 },
  full: { ...whole.full, steps: 950 },
  ratios: [0.45],
  healSteps: [25, 75],
  demoSteps: 25,
  tableSteps: 75,
  seeds: [1, 2],
  questions: 20,
  resamples: 200,
};

export const plans = { whole, quick };
