/** What training and making a model answer: plain read-only objects. Times are wall-clock milliseconds. */

import type { BadLine } from "../internal/bad-line.js";
import type { NativeHealResult } from "../internal/binding-types.js";

export type { BadLine } from "../internal/bad-line.js";

/** A loss on held-out data. */
export interface Evaluation {
  /** Steps of the optimiser before it: 0 is the student as it came. */
  readonly step: number;
  /** Cross-entropy in nats per token, over the tokens that the student is asked for. */
  readonly loss: number;
}

/** Why a training ended: all steps were done, or evaluations no longer got better. */
export type HealReason = "steps" | "patience";

/** A translator that was written for a trained model. */
export interface WrittenTranslator {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Answer of {@link heal}. */
export interface HealResult {
  readonly reason: HealReason;
  /** Steps of the optimiser, those before a resumption included. */
  readonly steps: number;
  /** The step that a resumed training went on from. Absent: it began at the beginning. */
  readonly firstStep?: number;
  /** Examples that were trained on; one counts as often as it was read. */
  readonly examples: number;
  /** Tokens that the student was asked for. */
  readonly tokens: number;
  /** Values that were trained. */
  readonly trainedParameters: number;
  /** Of every step, in nats per token: what was minimised, so with distillation its part of it as well. */
  readonly losses: readonly number[];
  /** In their order, that of step 0 first. Empty: there was no `evalData`. */
  readonly evaluations: readonly Evaluation[];
  readonly badLines: readonly BadLine[];
  /** The model that was written. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The translator that goes with it. Absent: none was asked for. */
  readonly translator?: WrittenTranslator;
  /** Tokens that the student read, over the training of this call. */
  readonly tokensPerSecond: number;
  /** All of this call, loading and evaluations included. */
  readonly ms: number;
}

/** Answer of {@link createModel}. */
export interface CreateModelResult {
  readonly path: string;
  readonly parameters: number;
  readonly sizeBytes: number;
}

/** The native side's answer with what is absent left out. */
export function toHealResult(native: NativeHealResult): HealResult {
  const { reason, steps, firstStep, examples, tokens, trainedParameters, path, sizeBytes, tokensPerSecond, ms } =
    native;
  return {
    reason,
    steps,
    ...(firstStep > 0 && { firstStep }),
    examples,
    tokens,
    trainedParameters,
    losses: Array.from(native.losses),
    evaluations: native.evaluations.map(({ step, loss }) => ({ step, loss })),
    badLines: native.badLines.map(({ path, line, reason }) => ({ path, line, reason })),
    path,
    sizeBytes,
    ...(native.translatorPath && {
      translator: { path: native.translatorPath, sizeBytes: native.translatorSizeBytes },
    }),
    tokensPerSecond,
    ms,
  };
}
