/** What training and making a model answer: plain read-only objects. Times are wall-clock milliseconds. */

import type { BadLine } from "../internal/bad-line.js";
import type { NativeHealEstimate, NativeHealResult } from "../internal/binding-types.js";

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

/** A reader, or its adapter, that was written beside a trained student. */
export interface WrittenReader {
  readonly path: string;
  readonly sizeBytes: number;
}

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
  /** The model that was written, or the reader's adapter. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The reader or its adapter. Absent: not both were trained. */
  readonly reader?: WrittenReader;
  /** The translator that goes with it. Absent: none was asked for. */
  readonly translator?: WrittenTranslator;
  /** Tokens that the student read, and the reader where it is trained, over the training of this call. */
  readonly tokensPerSecond: number;
  /** All of this call, loading and evaluations included. */
  readonly ms: number;
}

/** Answer of {@link estimateHeal}. */
export interface HealEstimate {
  /** Values that would be trained. */
  readonly trainedParameters: number;
  /** Steps of the optimiser that there would be. */
  readonly steps: number;
  readonly memory: {
    /**
     * Of the models in the training graph: their weights, in f32, or as their files have them where they stay as they are
     * (beside a reader's factors, and before a reader's writer; on the CPU).
     */
    readonly weightBytes: number;
    /** Gradients and both moments of what is trained. */
    readonly optimiserBytes: number;
    /** Of the measured step. Steps with longer examples take more, up to 2 GiB for all the graphs that are kept. */
    readonly activationBytes: number;
    /** The full model's file, where llama.cpp runs it beside the graph; 0 where it does not. */
    readonly fullBytes: number;
    /** All of these. */
    readonly totalBytes: number;
  };
  /** Tokens that the student would read, and the reader where it is trained. */
  readonly tokensPerSecond: number;
  /** Of the measured step. */
  readonly msPerStep: number;
  /** All steps at this pace; evaluations and checkpoints are not in it. */
  readonly hours: number;
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
    ...(native.readerPath && { reader: { path: native.readerPath, sizeBytes: native.readerSizeBytes } }),
    ...(native.translatorPath && {
      translator: { path: native.translatorPath, sizeBytes: native.translatorSizeBytes },
    }),
    tokensPerSecond,
    ms,
  };
}

export function toHealEstimate(native: NativeHealEstimate): HealEstimate {
  const { trainedParameters, steps, tokensPerSecond, msPerStep } = native;
  const { weightBytes, optimiserBytes, activationBytes, fullBytes } = native;
  const totalBytes = weightBytes + optimiserBytes + activationBytes + fullBytes;
  return {
    trainedParameters,
    steps,
    memory: { weightBytes, optimiserBytes, activationBytes, fullBytes, totalBytes },
    tokensPerSecond,
    msPerStep,
    hours: (steps * msPerStep) / 3_600_000,
  };
}
