/** What making a pair answers: plain read-only objects that JSON can hold. Times are wall-clock milliseconds. */

import type { BenchReport, EvaluationReport } from "../eval/index.js";
import type { BadLine } from "../internal/bad-line.js";
import type { MakeStep } from "./options.js";

/** The full model on this machine. */
export interface MeasuredMachine {
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Bytes of weights that a written token is multiplied with, by the second. */
  readonly readBytesPerSecond: number;
  /** Tokens of a mean prompt. */
  readonly promptTokens: number;
  readonly threads: number;
  readonly gpu: "cuda" | "metal" | "vulkan" | false;
}

/** Sizes and type of a decode model. */
export interface ChosenModel {
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly type: string;
  /** Share of the measured importance that stays. */
  readonly importanceKept: number;
  readonly parameters: number;
  readonly sizeBytes: number;
}

/** A decode model that was timed behind the full one, before it was healed. */
export interface TimedChoice extends ChosenModel {
  /** How many times as fast as the full model alone it writes. */
  readonly speedUp: number;
}

/** What a step takes, about. */
export interface EstimatedStep {
  readonly step: MakeStep;
  readonly ms: number;
}

/** Answer of {@link planPair}. Sizes and times are estimates: nothing was pruned or trained. */
export interface PairPlan {
  readonly machine: MeasuredMachine;
  readonly prompts: number;
  readonly heldOut: number;
  readonly badLines: readonly BadLine[];
  /** As if all parts of the full model were equally important. */
  readonly model: ChosenModel;
  /** Absent where none was asked for. */
  readonly speedUp?: number;
  readonly steps: readonly EstimatedStep[];
  readonly ms: number;
  /** Bytes that the folder takes while the pair is made. */
  readonly workBytes: number;
}

/** A step that was done. */
export interface MadeStep {
  readonly step: string;
  /** Of the run that did it. */
  readonly ms: number;
}

/** Answer of {@link makePair}. */
export interface MadePair {
  /** The folder, for {@link loadPair}. */
  readonly path: string;
  readonly machine: MeasuredMachine;
  readonly prompts: number;
  readonly heldOut: number;
  /** Lines of answers that were learned from. */
  readonly answers: number;
  readonly badLines: readonly BadLine[];
  readonly model: ChosenModel;
  /** What was timed on the way to it. */
  readonly tried: readonly TimedChoice[];
  /** Whether it was pruned and healed, or only quantised. */
  readonly pruned: boolean;
  /** Before quantising; absent where nothing was healed. */
  readonly healed?: EvaluationReport;
  /** Of what is in the folder. */
  readonly evaluation: EvaluationReport;
  readonly bench: BenchReport;
  /** As measured last. */
  readonly speedUp: number;
  readonly steps: readonly MadeStep[];
  /** Of this run. */
  readonly ms: number;
}
