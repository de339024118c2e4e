/** Which of the models here could be a pair, and what can be expected of it. Figures are estimates from sizes alone. */

import type { HandoverPlan, ModelInfo } from "../../engine/index.js";
import { estimateMemory, type MemoryFacts } from "../memory-estimate.js";

/** A model that was looked at. */
export interface KnownModel extends ModelInfo, MemoryFacts {
  readonly path: string;
  /** What people know the file by. */
  readonly fileName: string;
}

/** What is expected, not measured. */
export interface PairEstimate {
  /** In two stages, and with the prefill model alone. 0 where no bandwidth is known. */
  readonly tokensPerSecond: number;
  readonly aloneTokensPerSecond: number;
  readonly contextSize: number;
  readonly memoryBytes: number;
}

export interface SuggestedPair {
  readonly prefill: string;
  readonly decode: string;
  readonly handover: HandoverPlan["kind"];
  /** Whether the names and sizes say that both are one model, in two quantisations. */
  readonly isOneModel: boolean;
  readonly estimate: PairEstimate;
  /** Whether it fits into the memory that is available now. */
  readonly fits: boolean;
}

/**
 * Of what a plain read of memory reaches, what decoding reached where both were measured: 0.80 with weights in f16, 0.70 in
 * q8_0, 0.64 to 0.81 in q4_0 (485 million weights, two threads).
 */
const usableShare = 0.7;
/** Of an answer of some length: its cache is read for each token, too. */
const tokensInCache = 1024;
/** One that is hardly smaller writes hardly faster. */
const mostOfReader = 0.85;

/** Tokens a second, if nothing but memory bounds it. */
export function estimateSpeed(model: MemoryFacts, bytesPerSecond: number): number {
  return (usableShare * bytesPerSecond) / (model.sizeBytes + model.kvBytesPerToken * tokensInCache);
}

/**
 * Two models that are worth a look at their plan: the smaller one may write for the larger one. The larger readers first,
 * since these give the better answers.
 */
export function candidatePairs(models: readonly KnownModel[]): (readonly [KnownModel, KnownModel])[] {
  const bySize = [...models].sort((a, b) => b.sizeBytes - a.sizeBytes);
  return bySize.flatMap((prefill) =>
    bySize
      .filter(
        (decode) =>
          decode.sizeBytes <= mostOfReader * prefill.sizeBytes && decode.vocabularySize === prefill.vocabularySize,
      )
      .map((decode) => [prefill, decode] as const),
  );
}

/** Two quantisations have all numbers alike, and mostly the name: what the name is made of is not for us to say. */
const isOneModel = (a: KnownModel, b: KnownModel): boolean =>
  a.architecture === b.architecture &&
  a.parameters === b.parameters &&
  a.trainedContextSize === b.trainedContextSize &&
  a.name.toLowerCase() === b.name.toLowerCase();

/** @param plan what `inspect` says; undefined for a pair that cannot work as it is */
export function suggestPair(
  [prefill, decode]: readonly [KnownModel, KnownModel],
  plan: HandoverPlan,
  machine: { readonly bytesPerSecond: number; readonly availableBytes: number },
  contextSize: number | undefined,
): SuggestedPair | undefined {
  if (!plan.available || plan.kind === "impossible" || plan.oneModel) return undefined;
  const caches = plan.kind === "share" ? [prefill] : [prefill, decode];
  const memory = estimateMemory([prefill, decode], caches, contextSize);
  return {
    prefill: prefill.path,
    decode: decode.path,
    handover: plan.kind,
    isOneModel: isOneModel(prefill, decode),
    estimate: {
      tokensPerSecond: estimateSpeed(decode, machine.bytesPerSecond),
      aloneTokensPerSecond: estimateSpeed(prefill, machine.bytesPerSecond),
      contextSize: memory.contextSize,
      memoryBytes: memory.totalBytes,
    },
    fits: memory.totalBytes <= machine.availableBytes,
  };
}

/** What fits first; then quantisations of one model, of which most is known; then the larger reader, the faster writer. */
export function inOrder(pairs: readonly SuggestedPair[]): SuggestedPair[] {
  const key = ({ fits, isOneModel, estimate }: SuggestedPair) => [
    Number(fits),
    Number(isOneModel),
    -estimate.aloneTokensPerSecond,
    estimate.tokensPerSecond,
  ];
  return [...pairs].sort((a, b) => {
    const [one, other] = [key(a), key(b)];
    return one.map((value, i) => (other[i] ?? 0) - value).find((difference) => difference !== 0) ?? 0;
  });
}

/** Repositories that have both quantisations, by the billions of weights of their model. Anybody may download them. */
const knownRepositories = [
  { repository: "Qwen/Qwen2.5-0.5B-Instruct-GGUF", billions: 0.49 },
  { repository: "Qwen/Qwen2.5-1.5B-Instruct-GGUF", billions: 1.54 },
  { repository: "Qwen/Qwen2.5-7B-Instruct-GGUF", billions: 7.62 },
  { repository: "Qwen/Qwen2.5-14B-Instruct-GGUF", billions: 14.8 },
  { repository: "Qwen/Qwen2.5-32B-Instruct-GGUF", billions: 32.8 },
] as const;

/** Bytes of a weight in q8_0 and q4_0, with the scales of their blocks. */
const [bytesQ8, bytesQ4] = [34 / 32, 18 / 32];
/** What is left for the cache, buffers and everything else that runs. */
const shareOfMemory = 0.7;
/** Below this nobody likes to read along. */
const slowest = 8;

export interface SuggestedDownload {
  readonly repository: string;
  readonly quantisations: readonly [string, string];
  /** Estimates. */
  readonly sizeBytes: number;
  readonly tokensPerSecond: number;
}

/** The largest model whose two quantisations fit, and that writes fast enough to be read along. */
export function suggestDownload(machine: {
  readonly bytesPerSecond: number;
  readonly availableBytes: number;
}): SuggestedDownload | undefined {
  const choices = knownRepositories.map(({ repository, billions }) => ({
    repository,
    quantisations: ["Q8_0", "Q4_0"] as const,
    sizeBytes: billions * 1e9 * (bytesQ8 + bytesQ4),
    tokensPerSecond: (usableShare * machine.bytesPerSecond) / (billions * 1e9 * bytesQ4),
  }));
  const fitting = choices.filter(({ sizeBytes }) => sizeBytes <= shareOfMemory * machine.availableBytes);
  const fast = fitting.filter(({ tokensPerSecond }) => tokensPerSecond >= slowest || machine.bytesPerSecond === 0);
  return fast.at(-1) ?? fitting[0];
}
