/**
 * What a metric is here: a figure over examples that depends on sums of numbers of each example, and on nothing else.
 * So one pass over the models is enough for the figure, its interval and the intervals of differences: a resample of the
 * examples is a resample of their numbers.
 */

export type MetricName =
  | "perplexity"
  | "perplexityAfterFirst"
  | "agreement"
  | "agreementAfterFirst"
  | "divergence"
  | "divergenceAfterFirst"
  | "accuracy"
  | "accuracyNorm"
  | "exactMatch"
  | "strictMatch"
  | "f1"
  | "rougeL"
  | "bleu"
  | "sameAsFull";

export interface Metric<Outcome> {
  /** How many numbers an example has. */
  readonly width: number;
  /** Whether more is better. */
  readonly higherIsBetter: boolean;
  /** The numbers of one example, `width` of them. */
  statistics(outcome: Outcome): readonly number[];
  /** The figure from their sums; NaN where there is none. */
  value(sums: ArrayLike<number>): number;
}

/** The mean of a score that each example has. */
export function meanOf<Outcome>(score: (outcome: Outcome) => number): Metric<Outcome> {
  return {
    width: 2,
    higherIsBetter: true,
    statistics: (outcome) => [score(outcome), 1],
    value: ratio,
  };
}

/** The first of the sums over the second. */
export function ratio(sums: ArrayLike<number>): number {
  return (sums[0] ?? 0) / (sums[1] ?? 0);
}
