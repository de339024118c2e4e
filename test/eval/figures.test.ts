/** Rows side by side: figures, comparisons, positions, all from one bootstrap. */

import test from "ava";
import { FigureTable, type NamedMetrics } from "../../lib/eval/figures.js";
import { agreement, divergence, perplexity, type ResponseOutcome } from "../../lib/eval/metrics/likelihood.js";
import { meanOf } from "../../lib/eval/metrics/metric.js";
import { rowsOf, scoredRows, usesBoth } from "../../lib/eval/rows.js";
import type { EvaluatedRow } from "../../lib/index.js";
import { mulberry32 } from "../support/random.js";

const options = { confidence: 0.95, resamples: 400, seed: 3 };
const rows: readonly EvaluatedRow[] = rowsOf({ refreshIntervals: [8], refreshBudgets: [], qualities: [] });

const score: NamedMetrics<number> = [["f1", meanOf((value: number) => value)]];

async function figuresOf(scores: readonly (readonly number[])[], names = rows) {
  const table = new FigureTable(names, scores.length, score);
  for (const [example, ofRows] of scores.entries())
    for (const [row, value] of ofRows.entries()) table.set(row, example, value);
  return table.estimate(options);
}

test("there are three rows, and one for each refresh", (t) => {
  t.deepEqual(rows, ["prefill", "decode", "two-stage", { refreshInterval: 8 }]);
  t.deepEqual(rows.map(usesBoth), [false, false, true, true]);
  const more = {
    refreshIntervals: [8],
    refreshBudgets: [0.1],
    qualities: ["fast", "exact", { acceptance: 0.5 }],
  } as const;
  const written = [{ refreshBudget: 0.1 }, { quality: "exact" }, { quality: { acceptance: 0.5 } }] as const;
  t.deepEqual(rowsOf(more), [...rows, ...written]);
  t.deepEqual(scoredRows(rowsOf(more)), rows as never);
});

test("each row has its mean, two-stage rows their differences and the paper's relative improvement", async (t) => {
  // Means of 0.9, 0.3, 0.8 and 0.85, by example easy or hard for all of them.
  const scores = Array.from({ length: 40 }, (_, i) => {
    const ease = i % 2 === 0 ? 0.1 : -0.1;
    return [0.9 + ease, 0.3 + ease, 0.8 + ease, 0.85 + ease];
  });
  const { rows: figures, comparisons } = await figuresOf(scores);
  t.deepEqual(
    figures.map(({ row, figures }) => [row, figures.f1?.value.toFixed(6)]),
    [
      ["prefill", "0.900000"],
      ["decode", "0.300000"],
      ["two-stage", "0.800000"],
      [{ refreshInterval: 8 }, "0.850000"],
    ],
  );
  t.false("positions" in (figures[0] ?? {}));
  t.deepEqual(
    comparisons.map(({ row, against, differences, improvements }) => [
      row,
      against,
      differences.f1?.value.toFixed(6),
      improvements?.f1?.value.toFixed(6),
    ]),
    [
      ["two-stage", "decode", "0.500000", "1.666667"],
      ["two-stage", "prefill", "-0.100000", undefined],
      [{ refreshInterval: 8 }, "decode", "0.550000", "1.833333"],
      [{ refreshInterval: 8 }, "prefill", "-0.050000", undefined],
    ],
  );
  // The examples differ, the rows do so by the same amount in each of them.
  const width = (estimate?: { low?: number; high?: number }) => (estimate?.high ?? 9) - (estimate?.low ?? 0);
  t.true(width(figures[2]?.figures.f1) > 0.03);
  t.true(width(comparisons[0]?.differences.f1) < 1e-9);
});

test("there is no improvement on a decode model that has nothing", async (t) => {
  const { comparisons } = await figuresOf(
    Array.from({ length: 9 }, (_, i) => [1, 0, i % 2]),
    ["prefill", "decode", "two-stage"],
  );
  t.is(comparisons.length, 2);
  for (const comparison of comparisons) t.false("improvements" in comparison);
  t.is(comparisons[0]?.differences.f1?.value, 4 / 9);
});

test("the improvement has no interval where some draws of the decode model have nothing", async (t) => {
  const { comparisons } = await figuresOf(
    Array.from({ length: 9 }, (_, i) => [1, i === 0 ? 1 : 0, 1]),
    [...(["prefill", "decode", "two-stage"] as const)],
  );
  t.deepEqual(Object.keys(comparisons[0]?.improvements?.f1 ?? {}), ["value"]);
  t.is(comparisons[0]?.improvements?.f1?.value, 8);
});

test("rows that say the same have the same figures to the last bit, and differences of 0", async (t) => {
  const random = mulberry32(9);
  const { rows: figures, comparisons } = await figuresOf(
    Array.from({ length: 25 }, () => {
      const value = random();
      return rows.map(() => value);
    }),
  );
  for (const { figures: own } of figures) t.deepEqual(own, figures[0]?.figures);
  const none = { value: 0, low: 0, high: 0 };
  for (const { differences } of comparisons) t.deepEqual(differences, { f1: none });
  t.deepEqual(comparisons[0]?.improvements, { f1: none });
});

test("the order of examples does not matter to the figures", async (t) => {
  const random = mulberry32(2);
  const scores = Array.from({ length: 12 }, () => rows.map(() => Math.floor(8 * random()) / 8));
  const [a, b] = [await figuresOf(scores), await figuresOf(scores.toReversed())];
  for (const [i, { figures }] of a.rows.entries()) t.is(figures.f1?.value, b.rows[i]?.figures.f1?.value);
});

test("a metric without a value is left out; positions are told with their tokens", async (t) => {
  const positions = [
    { from: 0, to: 0, tokens: 2, agreement: agreement(0, 1), divergence: divergence(0, 1) },
    { from: 1, to: 1, tokens: 1, agreement: agreement(1, 2), divergence: divergence(1, 2) },
    { from: 2, to: 3, tokens: 0, agreement: agreement(2, 4), divergence: divergence(2, 4) },
  ];
  const metrics: NamedMetrics<ResponseOutcome> = [
    ["perplexity", perplexity()],
    ["perplexityAfterFirst", perplexity(2)],
  ];
  const table = new FigureTable<ResponseOutcome>(["prefill", "decode", "two-stage"], 2, metrics, positions);
  for (const row of [0, 1, 2]) {
    table.set(row, 0, { logProbs: [Math.log(1 / 2), Math.log(1 / 4)], agree: [1, 0], divergence: [0, 0.5] });
    table.set(row, 1, { logProbs: [Math.log(1 / 8)], agree: [0], divergence: [1] });
  }
  const { rows: figures, comparisons } = await table.estimate(options);
  t.deepEqual(Object.keys(figures[1]?.figures ?? {}), ["perplexity"]);
  t.true(Math.abs((figures[1]?.figures.perplexity?.value ?? 0) - 4) < 1e-12);
  t.deepEqual(
    figures[2]?.positions?.map(({ from, to, tokens, agreement, divergence }) => [
      ...[from, to, tokens, agreement.value, divergence.value],
    ]),
    [
      [0, 0, 2, 0.5, 0.5],
      [1, 1, 1, 0, 0.5],
    ],
  );
  t.deepEqual(comparisons[0]?.differences, { perplexity: { value: 0, low: 0, high: 0 } });
  t.false("improvements" in (comparisons[0] ?? {}), "less is better there");
});
