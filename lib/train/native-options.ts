/** Checked options as the binding takes them. */

import type { NativeHealOptions, NativeModelOptions, NativeNewModelOptions } from "../internal/binding-types.js";
import type { LoraOptions } from "./options.js";
import type { CheckedCreateModelOptions, CheckedHealOptions } from "./validation.js";

/** The files of a training beside its models; "" where there is none. */
export interface HealPaths {
  readonly data: string;
  readonly evalData: string;
  readonly out: string;
  readonly readerOut: string;
  readonly checkpoint: string;
  readonly log: string;
  readonly translator: string;
  readonly translatorOut: string;
}

export interface HealModels {
  readonly full: NativeModelOptions | undefined;
  readonly student: NativeModelOptions;
}

/** Enough to move a cache, and a hundredth of the weights. */
const usualReaderLora: LoraOptions = { rank: 16 };

export function toNativeHealOptions(
  options: CheckedHealOptions,
  { full, student }: HealModels,
  paths: HealPaths,
  threads: number,
): NativeHealOptions {
  const { distillation, lora } = options;
  const readerLora = options.train === "writer" ? false : (options.readerLora ?? usualReaderLora);
  return {
    mode: options.mode,
    train: options.train,
    full,
    student,
    ...paths,
    type: options.type,
    resume: options.resume,
    trainTranslator: options.trainTranslator,
    translatorType: options.translatorType ?? "same",
    promptRatio: options.promptRatio ?? 1,
    randomCutoff: options.randomCutoff ?? 0,
    refreshInterval: options.refreshInterval ?? 0,
    distilShare: distillation?.share ?? 0,
    distilTemperature: distillation?.temperature ?? 1,
    loraRank: lora?.rank ?? 0,
    loraAlpha: lora?.alpha ?? 0,
    loraTargets: lora?.targets ?? [],
    readerLoraRank: readerLora ? readerLora.rank : 0,
    readerLoraAlpha: readerLora ? (readerLora.alpha ?? 0) : 0,
    readerLoraTargets: readerLora ? (readerLora.targets ?? []) : [],
    freeze: options.freeze,
    contextSize: options.contextSize ?? 0,
    batchSize: options.batchSize,
    microBatchTokens: options.microBatchTokens,
    epochs: options.epochs ?? 1,
    maxSteps: options.maxSteps ?? 0,
    learningRate: options.learningRate,
    schedule: options.schedule,
    warmUp: options.warmUp,
    rateFloor: options.rateFloor ?? 0,
    weightDecay: options.weightDecay,
    beta1: options.beta1,
    beta2: options.beta2,
    epsilon: options.epsilon,
    clip: options.clip,
    seed: options.seed,
    shuffleWindow: options.shuffleWindow,
    maxBadLines: options.maxBadLines,
    evalInterval: options.evalInterval ?? 0,
    patience: options.patience ?? 0,
    maxEvalExamples: options.maxEvalExamples ?? 256,
    checkpointInterval: options.checkpointInterval ?? 0,
    threads,
  };
}

export function toNativeNewModelOptions(
  options: CheckedCreateModelOptions,
  { out, tokenizer }: { readonly out: string; readonly tokenizer: string },
): NativeNewModelOptions {
  return {
    out,
    tokenizer,
    name: options.name ?? "",
    hiddenSize: options.hiddenSize,
    feedForwardSize: options.feedForwardSize,
    layers: options.layers,
    heads: options.heads,
    kvHeads: options.kvHeads,
    headSize: options.headSize ?? 0,
    contextSize: options.contextSize,
    ropeBase: options.ropeBase,
    normEpsilon: options.normEpsilon,
    tiedOutput: options.tiedOutput,
    type: options.type,
    seed: options.seed,
  };
}
