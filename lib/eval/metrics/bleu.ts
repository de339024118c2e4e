/**
 * BLEU-4 over a corpus (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"): the
 * geometric mean of the clipped precisions of 1- to 4-grams, summed over all answers, times the brevity penalty.
 *
 * As sacreBLEU (Post 2018, arXiv 1804.08771) with `tokenize="13a"`, case kept, and `smooth_method="none"`: the reference
 * of the nearest length counts for the brevity penalty, the shorter one of two; an order without a match makes it 0.
 * (sacreBLEU's own default is another smoothing.) 0 to 1. Where no reference has four words nothing could match, and there
 * is no BLEU; sacreBLEU has 0 there.
 */

import type { Metric } from "./metric.js";

const orders = 4;

export interface Translated {
  readonly text: string;
  readonly references: readonly string[];
}

export const bleu: Metric<Translated> = {
  width: 2 * orders + 3,
  higherIsBetter: true,
  statistics: ({ text, references }) => bleuStatistics(words13a(text), references.map(words13a)),
  value: bleuOf,
};

/** Matches of each order, n-grams of each order, words of the answer, words of the reference, 1 if one has four words. */
export function bleuStatistics(
  answer: readonly string[],
  references: readonly (readonly string[])[],
): readonly number[] {
  const matches: number[] = [];
  const totals: number[] = [];
  for (let n = 1; n <= orders; n++) {
    const limits = new Map<string, number>();
    for (const reference of references)
      for (const [gram, count] of countGrams(reference, n)) limits.set(gram, Math.max(limits.get(gram) ?? 0, count));
    let match = 0;
    for (const [gram, count] of countGrams(answer, n)) match += Math.min(count, limits.get(gram) ?? 0);
    matches.push(match);
    totals.push(Math.max(0, answer.length - n + 1));
  }
  const canMatch = references.some((reference) => reference.length >= orders) ? 1 : 0;
  return [...matches, ...totals, answer.length, nearestLength(answer.length, references), canMatch];
}

function bleuOf(sums: ArrayLike<number>): number {
  const at = (index: number) => sums[index] ?? 0;
  const [length, referenceLength] = [at(2 * orders), at(2 * orders + 1)];
  if (at(2 * orders + 2) === 0) return Number.NaN;
  let logarithms = 0;
  for (let n = 0; n < orders; n++) {
    if (at(n) === 0) return 0;
    logarithms += Math.log(at(n) / at(orders + n));
  }
  const brevity = length < referenceLength ? 1 - referenceLength / length : 0;
  return Math.exp(logarithms / orders + brevity);
}

function countGrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    // Words have no space in them.
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function nearestLength(length: number, references: readonly (readonly string[])[]): number {
  const lengths = references.map((reference) => reference.length);
  return lengths.reduce((best, candidate) => {
    const closer = Math.abs(candidate - length) - Math.abs(best - length);
    return closer < 0 || (closer === 0 && candidate < best) ? candidate : best;
  });
}

/** ASCII symbols but ' , - . each stand alone. */
const symbols = /[!-&(-+/:-@[-`{-~]/g;

/**
 * The words of NIST's mteval-v13a: symbols stand alone, full stops and commas as well unless they are between digits,
 * and hyphens that follow a digit. A hyphen at a line's end joins two lines.
 */
export function words13a(text: string): string[] {
  const plain = text
    .replaceAll("<skipped>", "")
    .replaceAll("-\n", "")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">");
  const apart = ` ${plain} `
    .replace(symbols, " $& ")
    .replace(/([^0-9])([.,])/g, "$1 $2 ")
    .replace(/([.,])([^0-9])/g, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ");
  return apart.split(/\s+/u).filter((word) => word !== "");
}
