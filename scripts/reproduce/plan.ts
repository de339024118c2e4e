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
  /** The full model learns to copy first, in two trainings on the two kinds of texts, then the tasks. */
  readonly warmUp: { readonly first: Training; readonly second: Training };
  readonly full: Training;
  /** Shares of hidden and feed-forward channels that are pruned. */
  readonly ratios: readonly number[];
  /** Steps of healing, each a training of its own from the same pruned start. */
  readonly healSteps: readonly number[];
  readonly heal: Omit<Training, "steps">;
  /** From which of `healSteps` the table is made, and in which a model from scratch trains once and four times. */
  readonly tableSteps: number;
  /** Orders of the data, and random weights of the models from scratch. */
  readonly seeds: readonly number[];
  /** Tokens after which the full model reads again. */
  readonly refreshIntervals: readonly number[];
  /** Questions of each family. */
  readonly questions: number;
  readonly resamples: number;
}

const whole: Plan = {
  name: "whole",
  shape: { hiddenSize: 128, feedForwardSize: 384, layers: 4, heads: 4, kvHeads: 2 },
  contextSize: 256,
  // Nothing else can be done until the full model is there.
  warmUp: {
    first: { steps: 600, batch: 24, learningRate: 3e-3, threads: 2 },
    // The step from half of it to all of it has come after 250 to 1,500 steps.
    second: { steps: 3000, batch: 32, learningRate: 2e-3, threads: 2 },
  },
  full: { steps: 4000, batch: 32, learningRate: 2e-3, threads: 2 },
  ratios: [0.45, 0.7],
  healSteps: [25, 75, 225],
  heal: { batch: 32, learningRate: 2e-3 },
  tableSteps: 225,
  seeds: [1, 2, 3],
  refreshIntervals: [8, 16, 32],
  questions: 100,
  resamples: 1000,
};

/** The same ways in ten minutes. Its full model does not solve its tasks, so its table says little of the method. */
const quick: Plan = {
  ...whole,
  name: "quick",
  warmUp: { first: { ...whole.warmUp.first, steps: 60 }, second: { ...whole.warmUp.second, steps: 60 } },
  full: { ...whole.full, steps: 300 },
  ratios: [0.45],
  healSteps: [10, 40],
  tableSteps: 40,
  questions: 20,
  resamples: 200,
};

export const plans = { whole, quick };
