/** The part of the contract with the native addon that training uses; binding-types.ts has the whole. */

import type { NativeModelOptions } from "./binding-types.js";

export interface NativeHealOptions {
  readonly mode: "overfill" | "sft" | "full";
  /** Reads the prompt, or is distilled from; undefined: neither. */
  readonly full: NativeModelOptions | undefined;
  readonly student: NativeModelOptions;
  readonly train: "writer" | "reader" | "both";
  readonly data: string;
  /** "": none, here and below. */
  readonly evalData: string;
  readonly out: string;
  readonly readerOut: string;
  readonly type: "same" | "f32" | "f16" | "bf16" | "q8_0";
  /** "": the default. */
  readonly checkpoint: string;
  readonly resume: boolean;
  readonly log: string;
  readonly translator: string;
  readonly trainTranslator: boolean;
  readonly translatorOut: string;
  readonly translatorType: "same" | "f32" | "f16" | "q8_0";
  readonly promptRatio: number;
  readonly randomCutoff: number;
  /** 0: never. */
  readonly refreshInterval: number;
  /** 0: no distillation. */
  readonly distilShare: number;
  readonly distilTemperature: number;
  /** 0: no LoRA. */
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly loraTargets: readonly string[];
  /** 0: the reader's weights themselves, where it is trained. */
  readonly readerLoraRank: number;
  readonly readerLoraAlpha: number;
  readonly readerLoraTargets: readonly string[];
  readonly freeze: readonly string[];
  /** 0: the default. */
  readonly contextSize: number;
  readonly batchSize: number;
  readonly microBatchTokens: number;
  readonly epochs: number;
  /** 0: as the epochs say. */
  readonly maxSteps: number;
  readonly learningRate: number;
  readonly schedule: "constant" | "linear" | "cosine";
  readonly warmUp: number;
  readonly rateFloor: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 0: none. */
  readonly clip: number;
  readonly seed: number;
  readonly shuffleWindow: number;
  readonly maxBadLines: number;
  /** 0: at the end only. */
  readonly evalInterval: number;
  /** 0: never. */
  readonly patience: number;
  readonly maxEvalExamples: number;
  /** 0: every ten minutes and at the end. */
  readonly checkpointInterval: number;
  readonly threads: number;
}

export interface NativeHealProgress {
  /** Index in loading, training, evaluating, writing. */
  readonly stage: number;
  readonly fraction: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

export interface NativeBadLine {
  readonly path: string;
  readonly line: number;
  readonly reason: string;
}

export interface NativeEvaluation {
  readonly step: number;
  readonly loss: number;
}

export interface NativeHealEvents {
  onProgress(progress: NativeHealProgress): void;
  onBadLine(line: NativeBadLine): void;
  onEvaluation(evaluation: NativeEvaluation): void;
}

/** Gets an event by its name. */
export type NativeHealListener = <Name extends keyof NativeHealEvents>(
  name: Name,
  news: Parameters<NativeHealEvents[Name]>[0],
) => void;

export interface NativeHealResult {
  readonly reason: "steps" | "patience";
  readonly steps: number;
  /** Above 0: the step that a resumed training went on from. */
  readonly firstStep: number;
  readonly examples: number;
  readonly tokens: number;
  readonly trainedParameters: number;
  readonly losses: Float64Array;
  readonly evaluations: NativeEvaluation[];
  readonly badLines: NativeBadLine[];
  readonly path: string;
  readonly sizeBytes: number;
  /** "": none was written beside `path`. */
  readonly readerPath: string;
  readonly readerSizeBytes: number;
  /** "": none was written. */
  readonly translatorPath: string;
  readonly translatorSizeBytes: number;
  readonly tokensPerSecond: number;
  readonly ms: number;
}

export interface NativeHealEstimate {
  readonly trainedParameters: number;
  readonly steps: number;
  readonly weightBytes: number;
  readonly optimiserBytes: number;
  readonly activationBytes: number;
  /** 0: llama.cpp does not run the full model beside the graph. */
  readonly fullBytes: number;
  readonly tokensPerSecond: number;
  readonly msPerStep: number;
}

export interface NativeNewModelOptions {
  readonly out: string;
  readonly tokenizer: string;
  readonly name: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** 0: hiddenSize / heads. */
  readonly headSize: number;
  readonly contextSize: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  readonly tiedOutput: boolean;
  readonly type: "f32" | "f16" | "bf16";
  readonly seed: number;
}

export interface NativeNewModelResult {
  readonly parameters: number;
  readonly sizeBytes: number;
}
