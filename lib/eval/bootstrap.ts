/**
 * Confidence intervals by the bootstrap (Efron 1979): the examples are drawn again, as many as there are, with
 * replacement, and every figure is computed from each such draw. The interval is Efron's BCa (1987, "Better Bootstrap
 * Confidence Intervals"), which corrects the plain percentiles for bias and for skewness: perplexities are skewed.
 *
 * All figures see the same draws, so that the difference of two rows is a paired one.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { mulberry32 } from "../internal/random.js";
import { normalCdf, normalQuantile } from "./normal-distribution.js";

/** Numbers of every example: [nExamples, width], one row after the other. */
export interface ExampleNumbers {
  readonly values: Float64Array;
  readonly width: number;
}

/** A figure from the sums of the columns; NaN where there is none. */
export type Statistic = (sums: Float64Array) => number;

export interface BootstrapOptions {
  /** Of the intervals: between 0 and 1. */
  readonly confidence: number;
  readonly resamples: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the share that is done. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** A figure with its interval. */
export interface Estimate {
  readonly value: number;
  /** Lower bound. Absent: too few examples to tell. */
  readonly low?: number;
  /** Upper bound. Absent: too few examples to tell. */
  readonly high?: number;
}

/** How long the draws keep the event loop waiting, in milliseconds. */
const longestTurnMs = 20;

/**
 * The figures with their intervals, in the order of `statistics`; undefined for a figure that is not a finite number. There
 * is no interval for fewer than two examples, and none where the figure is not a finite number in one of the draws or with
 * one of the examples left out. Rejects with the signal's reason.
 */
export async function bootstrap(
  numbers: ExampleNumbers,
  statistics: readonly Statistic[],
  { confidence, resamples, seed, signal, onProgress }: BootstrapOptions,
): Promise<(Estimate | undefined)[]> {
  const { values, width } = numbers;
  const nExamples = width === 0 ? 0 : values.length / width;
  const totals = new Float64Array(width);
  for (let example = 0; example < nExamples; example++) add(totals, numbers, example, 1);
  const estimates = statistics.map((statistic) => statistic(totals));
  if (nExamples < 2) return estimates.map((value) => (Number.isFinite(value) ? { value } : undefined));

  const random = mulberry32(seed);
  const counts = new Uint32Array(nExamples);
  const sums = new Float64Array(width);
  const replicates = statistics.map(() => new Float64Array(resamples));
  let turnBegan = performance.now();
  for (let draw = 0; draw < resamples; draw++) {
    counts.fill(0);
    for (let i = 0; i < nExamples; i++) {
      const example = Math.floor(random() * nExamples);
      counts[example] = (counts[example] ?? 0) + 1;
    }
    sums.fill(0);
    for (let example = 0; example < nExamples; example++) {
      const count = counts[example] ?? 0;
      if (count > 0) add(sums, numbers, example, count);
    }
    for (const [i, statistic] of statistics.entries()) (replicates[i] as Float64Array)[draw] = statistic(sums);
    if (performance.now() - turnBegan < longestTurnMs) continue;
    onProgress?.((draw + 1) / resamples);
    await nextTurn();
    signal?.throwIfAborted();
    turnBegan = performance.now();
  }

  const withoutOne = leaveOneOut(numbers, totals, statistics);
  return estimates.map((value, i) => {
    if (!Number.isFinite(value)) return undefined;
    const interval = bcaInterval(
      value,
      replicates[i] ?? new Float64Array(),
      withoutOne[i] ?? new Float64Array(),
      confidence,
    );
    return interval ? { value, ...interval } : { value };
  });
}

function add(sums: Float64Array, { values, width }: ExampleNumbers, example: number, times: number): void {
  const start = example * width;
  for (let i = 0; i < width; i++) sums[i] = (sums[i] ?? 0) + times * (values[start + i] ?? 0);
}

/** Every figure with each of the examples left out: [statistics][nExamples]. */
function leaveOneOut(
  numbers: ExampleNumbers,
  totals: Float64Array,
  statistics: readonly Statistic[],
): readonly Float64Array[] {
  const nExamples = numbers.values.length / numbers.width;
  const figures = statistics.map(() => new Float64Array(nExamples));
  const sums = new Float64Array(numbers.width);
  for (let example = 0; example < nExamples; example++) {
    sums.set(totals);
    add(sums, numbers, example, -1);
    for (const [i, statistic] of statistics.entries()) (figures[i] as Float64Array)[example] = statistic(sums);
  }
  return figures;
}

/** @param withoutOne the figure with each of the examples left out */
export function bcaInterval(
  value: number,
  replicates: Float64Array,
  withoutOne: Float64Array,
  confidence: number,
): { readonly low: number; readonly high: number } | undefined {
  if (!replicates.every(Number.isFinite) || !withoutOne.every(Number.isFinite)) return undefined;
  const sorted = replicates.toSorted();
  const below = sorted.filter((replicate) => replicate < value).length;
  const equal = sorted.filter((replicate) => replicate === value).length;
  const share = (below + equal / 2) / sorted.length;
  // With every draw on one side there is no bias to be told: the plain percentiles are left.
  const bias = share > 0 && share < 1 ? normalQuantile(share) : 0;
  const acceleration = accelerationOf(withoutOne);
  const bound = (p: number) => {
    const shifted = bias + normalQuantile(p);
    return quantileOf(sorted, normalCdf(bias + shifted / (1 - acceleration * shifted)));
  };
  return { low: bound((1 - confidence) / 2), high: bound((1 + confidence) / 2) };
}

/** How the figure's deviation changes with the figure: a sixth of the skewness of the jackknife's values. */
function accelerationOf(withoutOne: Float64Array): number {
  const mean = withoutOne.reduce((sum, figure) => sum + figure, 0) / withoutOne.length;
  let squares = 0;
  let cubes = 0;
  for (const figure of withoutOne) {
    squares += (mean - figure) ** 2;
    cubes += (mean - figure) ** 3;
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** Between the two nearest of sorted values in proportion. */
function quantileOf(sorted: Float64Array, p: number): number {
  const place = p * (sorted.length - 1);
  const [before, after] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return before + (place - Math.floor(place)) * (after - before);
}
