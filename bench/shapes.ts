/**
 * The shapes that are measured: the paper's 3B and its pruned 1B, the same at a quarter of the size, the smallest that take
 * the same paths, and one for the cache.
 */

import type { TensorType } from "../test/support/tensor-encoding.js";

/** A model without a bias, with tied embeddings. */
export interface ModelShape {
  readonly name: string;
  /** LFM2 has a short convolution in place of attention in every other layer. @default "llama" */
  readonly architecture?: "llama" | "lfm2";
  readonly nLayers: number;
  readonly nEmbd: number;
  readonly nFf: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headSize: number;
  readonly nVocab: number;
  /** Tokens. */
  readonly contextLength: number;
}

/** A model file to write: a shape in one weight type. Files of one shape hold the same weights. */
export interface ModelSpec {
  readonly shape: ModelShape;
  readonly weightType: TensorType;
}

export interface PairShapes {
  readonly prefill: ModelShape;
  /** Pruned from it in width: the KV cache keeps its shape. */
  readonly decode: ModelShape;
  /** The layers and KV heads of `prefill` and next to nothing else, so that a long prompt can be read in a benchmark. */
  readonly cache: ModelShape;
  /** With a KV cache in some layers and a recurrent state in the others: one model at two quantisations. */
  readonly hybrid: ModelShape;
}

const full: ModelShape = {
  name: "full",
  nLayers: 28,
  nEmbd: 3072,
  nFf: 8192,
  nHeads: 24,
  nKvHeads: 8,
  headSize: 128,
  nVocab: 32_000,
  contextLength: 32_768,
};

/** The least that both q4_0 and a pruning by 0.45 can divide. */
const least: ModelShape = {
  ...full,
  name: "least",
  nLayers: 2,
  nEmbd: 512,
  nFf: 1024,
  nHeads: 4,
  nKvHeads: 2,
  nVocab: 1024,
};

const quarter: ModelShape = { ...full, name: "quarter", nEmbd: 1536, nFf: 4096, nHeads: 12, nKvHeads: 4 };

/** 1.1 billion weights: 1.2 GB in q8_0, 0.6 GB in q4_0. */
const hybrid: ModelShape = {
  name: "hybrid",
  architecture: "lfm2",
  nLayers: 16,
  nEmbd: 2048,
  nFf: 8192,
  nHeads: 32,
  nKvHeads: 8,
  headSize: 64,
  nVocab: 32_000,
  contextLength: 32_768,
};

/** One query head for each KV head: fewer are not possible. */
function cacheOf(shape: ModelShape): ModelShape {
  const { name, nLayers, nKvHeads, headSize, contextLength } = shape;
  const width = 256;
  return {
    name: `${name}-cache`,
    nLayers,
    nEmbd: width,
    nFf: width,
    nHeads: nKvHeads,
    nKvHeads,
    headSize,
    nVocab: 1024,
    contextLength,
  };
}

export const fullShapes: PairShapes = {
  prefill: full,
  decode: { ...full, name: "full-pruned", nEmbd: 1792, nFf: 4608 },
  cache: cacheOf(full),
  hybrid,
};

export const smallShapes: PairShapes = {
  prefill: quarter,
  decode: { ...quarter, name: "quarter-pruned", nEmbd: 896, nFf: 2304 },
  cache: cacheOf(quarter),
  hybrid: { ...hybrid, name: "quarter-hybrid", nEmbd: 1024, nFf: 4096, nHeads: 16, nKvHeads: 4 },
};

export const leastShapes: PairShapes = {
  prefill: least,
  decode: { ...least, name: "least-pruned", nEmbd: 256, nFf: 512 },
  cache: cacheOf(least),
  hybrid: { ...hybrid, name: "least-hybrid", nLayers: 2, nEmbd: 512, nFf: 512, nHeads: 8, nKvHeads: 2, nVocab: 1024 },
};

/** Small enough to be read in a second, with cells that a fast network takes a tenth of that for. */
export const networkShapes: Pick<PairShapes, "prefill" | "decode"> = {
  prefill: { ...full, name: "network", nLayers: 12, nEmbd: 1024, nFf: 2816, nHeads: 8, nKvHeads: 4, nVocab: 1024 },
  decode: { ...full, name: "network-pruned", nLayers: 12, nEmbd: 512, nFf: 1408, nHeads: 8, nKvHeads: 4, nVocab: 1024 },
};
