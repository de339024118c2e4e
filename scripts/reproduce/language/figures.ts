/** Figures from samples: perplexities, agreement and divergence with intervals, over all, by part and by length of prompt. */

import { bootstrap, type Estimate } from "../../../lib/eval/bootstrap.js";
import type { Sample, Way } from "./measure.js";
import type { LanguagePlan } from "./plan.js";

/** A figure over the places, with its interval, and its least and largest value over the seeds. */
export interface Figure extends Estimate {
  readonly least: number;
  readonly largest: number;
}

/** Sums of a value and of the tokens that it is of. */
type Counted = readonly [sum: number, tokens: number];

interface Measure {
  /** Of a sample, by part; undefined where it has none. */
  parts(sample: Sample): readonly Counted[] | undefined;
  value(mean: number): number;
}

const zip = (sums: readonly number[], tokens: readonly number[]): Counted[] =>
  sums.map((sum, i) => [sum, tokens[i] ?? 0]);
const plain = (mean: number) => mean;
const perplexity = (meanLogProb: number) => Math.exp(-meanLogProb);

/** What is told of every way. */
export const measures = {
  sampledPerplexity: { parts: ({ sampled }) => sampled && zip(sampled.logProb, sampled.tokens), value: perplexity },
  greedyAgreement: { parts: ({ greedy }) => greedy && zip(greedy.agree, greedy.tokens), value: plain },
  givenPerplexity: { parts: ({ given }) => given && zip(given.logProb, given.tokens), value: perplexity },
  givenAgreement: { parts: ({ given }) => given && zip(given.agree, given.tokens), value: plain },
  givenDivergence: { parts: ({ given }) => given && zip(given.divergence, given.tokens), value: plain },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof measures;
export const measureNames = Object.keys(measures) as MeasureName[];

/** Which samples and which part of a continuation; all without it. */
export interface Scope {
  readonly prompt?: number;
  /** By its place among the plan's bounds. */
  readonly part?: number;
}

/**
 * A figure over the places, each of which counts what came of it with all seeds; undefined where the way has none.
 *
 * @param runs the samples of each seed
 */
export async function figureOf(
  runs: readonly (readonly Sample[])[],
  way: Way | "full",
  name: MeasureName,
  { places, resamples }: Pick<LanguagePlan, "places" | "resamples">,
  { prompt, part }: Scope = {},
): Promise<Figure | undefined> {
  const { parts, value } = measures[name] as Measure;
  const values = new Float64Array(2 * places);
  const means: number[] = [];
  for (const run of runs) {
    let [total, count] = [0, 0];
    for (const sample of run) {
      if (sample.way !== way || (prompt !== undefined && sample.prompt !== prompt)) continue;
      const all = parts(sample);
      if (!all) continue;
      for (const [sum, tokens] of part === undefined ? all : all.slice(part, part + 1)) {
        values[2 * sample.place] = (values[2 * sample.place] ?? 0) + sum;
        values[2 * sample.place + 1] = (values[2 * sample.place + 1] ?? 0) + tokens;
        total += sum;
        count += tokens;
      }
    }
    if (count === 0) return undefined;
    means.push(value(total / count));
  }
  const options = { confidence: 0.95, resamples, seed: 1 };
  const statistic = (sums: Float64Array) => value((sums[0] ?? 0) / (sums[1] ?? 0));
  const [estimate] = await bootstrap({ values, width: 2 }, [statistic], options);
  return estimate && { ...estimate, least: Math.min(...means), largest: Math.max(...means) };
}
