/** Perplexity, agreement, divergence and the accuracy of choices on numbers worked by hand. */

import test from "ava";
import fc from "fast-check";
import { type ChoiceOutcome, isRight, isRightByLength } from "../../../lib/eval/metrics/choice-accuracy.js";
import {
  agreement,
  divergence,
  perplexity,
  positionRanges,
  type ResponseOutcome,
} from "../../../lib/eval/metrics/likelihood.js";
import type { Metric } from "../../../lib/eval/metrics/metric.js";

const outcome = (probabilities: readonly number[], agree: readonly number[], divergence: readonly number[]) => ({
  logProbs: probabilities.map(Math.log),
  agree,
  divergence,
});

function figure<Outcome>(metric: Metric<Outcome>, outcomes: readonly Outcome[]): number {
  const sums = new Float64Array(metric.width);
  for (const one of outcomes)
    for (const [i, value] of metric.statistics(one).entries()) sums[i] = (sums[i] ?? 0) + value;
  return metric.value(sums);
}

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b));

const first = outcome([1 / 2, 1 / 8, 1 / 4], [1, 0, 1], [0, 0.5, 0.25]);
const second = outcome([1 / 16], [1], [0.125]);

test("perplexity is that of all tokens, not the mean of the responses'", (t) => {
  // (2 * 8 * 4 * 16)^(1/4) = 2^(10/4)
  t.true(near(figure(perplexity(), [first, second]), 2 ** 2.5));
  // From the second token on: (8 * 4)^(1/2).
  t.true(near(figure(perplexity(1), [first, second]), 2 ** 2.5));
  t.true(near(figure(perplexity(1), [first]), 32 ** 0.5));
  t.true(near(figure(perplexity(), [outcome([1 / 32, 1 / 32], [1, 1], [0, 0])]), 32), "of a uniform guess");
});

test("agreement and divergence are means over tokens", (t) => {
  t.is(figure(agreement(), [first, second]), 3 / 4);
  t.is(figure(agreement(1), [first, second]), 1 / 2);
  t.is(figure(divergence(), [first, second]), 0.875 / 4);
  t.is(figure(divergence(1), [first, second]), 0.75 / 2);
  t.is(figure(divergence(2, 4), [first, second]), 0.25);
});

test("there is no figure where there is no token", (t) => {
  for (const metric of [perplexity(1), agreement(1), divergence(1), divergence(4, 8)])
    t.true(Number.isNaN(figure(metric, [second])));
});

test("positions are told in ranges that double", (t) => {
  t.deepEqual(positionRanges(1), [{ from: 0, to: 0 }]);
  t.deepEqual(positionRanges(9), [
    { from: 0, to: 0 },
    { from: 1, to: 1 },
    { from: 2, to: 3 },
    { from: 4, to: 7 },
    { from: 8, to: 15 },
  ]);
  t.deepEqual(positionRanges(0), []);
});

const outcomes = fc.array(
  fc
    .array(fc.record({ p: fc.double({ min: 1e-6, max: 1, noNaN: true }), agree: fc.constantFrom(0, 1) }), {
      minLength: 1,
      maxLength: 20,
    })
    .map(
      (tokens): ResponseOutcome =>
        outcome(
          tokens.map(({ p }) => p),
          tokens.map(({ agree }) => agree),
          tokens.map(({ p }) => 1 - p),
        ),
    ),
  { minLength: 1, maxLength: 8 },
);

test("figures do not depend on the order of examples; the ranges of positions cover each token once", (t) => {
  fc.assert(
    fc.property(outcomes, (all) => {
      for (const metric of [perplexity(), agreement(), divergence()])
        t.true(near(figure(metric, all.toReversed()), figure(metric, all)));
      const longest = Math.max(...all.map(({ logProbs }) => logProbs.length));
      const sums = positionRanges(longest).map(({ from, to }) => {
        const statistics = all.map((one) => divergence(from, to + 1).statistics(one));
        return [0, 1].map((i) => statistics.reduce((sum, values) => sum + (values[i] ?? 0), 0));
      });
      const [total, count] = [0, 1].map((i) => sums.reduce((sum, values) => sum + (values[i] ?? 0), 0));
      t.true(near((total ?? 0) / (count ?? 0), figure(divergence(), all)));
      t.true(figure(perplexity(), all) >= 1);
    }),
  );
});

const choices = (logProbs: readonly number[], lengths: readonly number[], right: readonly number[]): ChoiceOutcome => ({
  logProbs,
  lengths,
  right,
});

test("accuracy goes by the likeliest choice, accuracyNorm by the likeliest a character", (t) => {
  // -4 / 2 = -2 and -5 / 10 = -0.5: the long choice is less likely, but not for its length.
  const long = choices([-4, -5], [2, 10], [1]);
  t.is(isRight(long), 0);
  t.is(isRightByLength(long), 1);
  const short = choices([-4, -5], [2, 10], [0]);
  t.is(isRight(short), 1);
  t.is(isRightByLength(short), 0);
});

test("of equal choices the first counts; of several right ones any", (t) => {
  t.is(isRight(choices([-1, -1], [1, 1], [0])), 1);
  t.is(isRight(choices([-1, -1], [1, 1], [1])), 0);
  t.is(isRight(choices([-3, -1, -2], [1, 1, 1], [1, 2])), 1);
  t.is(isRight(choices([-3, -1, -2], [1, 1, 1], [0, 2])), 0);
  t.is(isRight(choices([Number.NEGATIVE_INFINITY, -1], [1, 1], [1])), 1);
});
