/** The process of {@link measureTraining}: a training from the same weights, again and again. */

import { heal } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface TrainingRequest {
  readonly student: string;
  readonly data: string;
  readonly out: string;
  readonly batch: number;
  readonly steps: number;
  readonly threads: number;
}

export interface TrainingTiming {
  /** Of those that are read: what pads rows is none. */
  readonly tokensPerSecond: number;
}

serve<TrainingRequest, TrainingTiming>(async ({ batch, steps, ...request }) => {
  const { tokensPerSecond } = await heal({
    ...request,
    mode: "full",
    batchSize: batch,
    maxSteps: steps,
    // No loss is to be had from random words; a large step might diverge.
    learningRate: 1e-6,
    // None while it is timed.
    checkpointInterval: steps + 1,
  });
  return { tokensPerSecond };
});
