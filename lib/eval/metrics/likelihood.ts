/**
 * How well a row predicts the tokens of given responses, and how near it is to the full model, over tokens (not over
 * examples: a long response counts more). All three are measured with the response's own tokens before each one.
 *
 * - Perplexity: `exp` of the mean negative log-likelihood, as llama.cpp's perplexity tool has it.
 * - Agreement: the share of tokens at which the likeliest token is the full model's likeliest.
 * - Divergence: the mean of KL(full || row) in nats (Kullback and Leibler 1951), as llama.cpp's `--kl-divergence` has it.
 *
 * In two-stage inference the full model gives the first token of a response, so at position 0 that row is the full model.
 * The metrics named `AfterFirst` leave that position out in every row.
 */

import { type Metric, ratio } from "./metric.js";

/** What one row says about one response: an entry a token. */
export interface ResponseOutcome {
  /** Natural logarithms. */
  readonly logProbs: ArrayLike<number>;
  /** 1 where the likeliest token is the full model's, else 0. */
  readonly agree: ArrayLike<number>;
  /** KL(full || row) in nats. */
  readonly divergence: ArrayLike<number>;
}

function sum(values: ArrayLike<number>, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < Math.min(to, values.length); i++) total += values[i] ?? 0;
  return total;
}

function count(values: ArrayLike<number>, from: number, to: number): number {
  return Math.max(0, Math.min(to, values.length) - from);
}

/** The mean of a column over the positions `from` to below `to` of all responses. */
function tokenMean(column: keyof ResponseOutcome, from: number, to: number): Metric<ResponseOutcome> {
  return {
    width: 2,
    higherIsBetter: column !== "divergence",
    statistics: (outcome) => [sum(outcome[column], from, to), count(outcome[column], from, to)],
    value: ratio,
  };
}

export const agreement = (from = 0, to = Number.POSITIVE_INFINITY) => tokenMean("agree", from, to);
export const divergence = (from = 0, to = Number.POSITIVE_INFINITY) => tokenMean("divergence", from, to);

export function perplexity(from = 0, to = Number.POSITIVE_INFINITY): Metric<ResponseOutcome> {
  const mean = tokenMean("logProbs", from, to);
  return { ...mean, higherIsBetter: false, value: (sums) => Math.exp(-mean.value(sums)) };
}

/** A range of positions in a response: `from` to `to`, both included. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

/** The ranges 0, 1, 2-3, 4-7, 8-15, ... that cover responses of up to `tokens`. */
export function positionRanges(tokens: number): PositionRange[] {
  const ranges: PositionRange[] = [];
  for (let from = 0; from < tokens; from = Math.max(1, 2 * from))
    ranges.push({ from, to: Math.max(from, 2 * from - 1) });
  return ranges;
}
