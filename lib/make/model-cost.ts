/**
 * What a decode model of other widths costs: parameters, bytes, and the time that a token takes. Sizes come from the shape of
 * dense decoders with gated feed-forward networks. The time is what reading the weights takes, at the rate that was measured,
 * and what every token takes besides; two models that were timed tell the two apart.
 */

import type { ModelInfo } from "../engine/index.js";

/** The sizes that are searched. */
export interface Widths {
  readonly hidden: number;
  readonly ffn: number;
  readonly layers: number;
}

/** What is needed of a full model's facts. */
export type ModelShape = Pick<
  ModelInfo,
  | "parameters"
  | "sizeBytes"
  | "hiddenSize"
  | "feedForwardSize"
  | "layers"
  | "heads"
  | "kvHeads"
  | "headSizeK"
  | "headSizeV"
  | "vocabularySize"
>;

export const widthsOf = (shape: ModelShape): Widths => ({
  hidden: shape.hiddenSize,
  ffn: shape.feedForwardSize,
  layers: shape.layers,
});

/** Weights that every token is multiplied with; of the embeddings only the output's. */
export function readParameters(shape: ModelShape, { hidden, ffn, layers }: Widths): number {
  const { heads, kvHeads, headSizeK, headSizeV, vocabularySize } = shape;
  const attention = hidden * (heads * headSizeK + kvHeads * (headSizeK + headSizeV) + heads * headSizeV);
  return layers * (attention + 3 * hidden * ffn) + hidden * vocabularySize;
}

/** Whether the output matrix is one of its own, by what the full model has of parameters. */
function embedsApart(shape: ModelShape): boolean {
  return shape.parameters - readParameters(shape, widthsOf(shape)) > (shape.hiddenSize * shape.vocabularySize) / 2;
}

/** All parameters, about: without norms and biases. */
export function allParameters(shape: ModelShape, widths: Widths): number {
  return readParameters(shape, widths) + (embedsApart(shape) ? widths.hidden * shape.vocabularySize : 0);
}

/** Bits a weight of a type, as llama.cpp's rules come out on dense models. */
const bitsOfTypes: Readonly<Record<string, number>> = {
  ...{ f32: 32, f16: 16, bf16: 16, q8_0: 8.5, q6_k: 6.6, q5_k_m: 5.7, q5_k: 5.7, q5_k_s: 5.5, q5_1: 6, q5_0: 5.6 },
  ...{ q4_k_m: 4.9, q4_k: 4.9, q4_k_s: 4.6, q4_1: 5.1, q4_0: 4.7, iq4_nl: 4.7, iq4_xs: 4.4, q3_k_l: 4.3, q3_k_m: 4 },
  ...{ q3_k: 4, q3_k_s: 3.6, iq3_m: 3.8, iq3_s: 3.6, iq3_xs: 3.5, iq3_xxs: 3.2, q2_k: 3.1, q2_k_s: 2.9, iq2_m: 2.9 },
  ...{ iq2_s: 2.7, iq2_xs: 2.5, iq2_xxs: 2.3, iq1_m: 2, iq1_s: 1.8 },
};

/** Of types that are not known, what most of the coarse ones have. */
export const bitsOfType = (type: string): number => bitsOfTypes[type] ?? 4.5;

export const bitsOfModel = ({ sizeBytes, parameters }: ModelShape): number => (8 * sizeBytes) / parameters;

/** What timing a model has told. */
export interface TimedModel {
  /** Bytes of weights that a token is multiplied with. */
  readonly bytes: number;
  readonly msPerToken: number;
}

/** Milliseconds a token, by bytes. */
export interface TokenTime {
  readonly fixedMs: number;
  readonly msPerByte: number;
}

/** From the full model, and from a smaller one where one was timed. */
export function tokenTimeOf(full: TimedModel, small?: TimedModel): TokenTime {
  if (!small || small.bytes >= full.bytes) return { fixedMs: 0, msPerByte: full.msPerToken / full.bytes };
  const msPerByte = Math.max(0, (full.msPerToken - small.msPerToken) / (full.bytes - small.bytes));
  return { fixedMs: Math.max(0, small.msPerToken - msPerByte * small.bytes), msPerByte };
}

export const msOf = ({ fixedMs, msPerByte }: TokenTime, bytes: number): number => fixedMs + msPerByte * bytes;
