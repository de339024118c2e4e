/** A pair of one is the same model in every column: agreement 1, divergence 0, and no difference anywhere. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { type EvaluateOptions, type EvaluationReport, evaluate, type MetricName } from "../../lib/index.js";
import { makeTempDir } from "../support/temp-dir.js";
import { someText } from "../train/fixtures.js";
import { type EvaluationFiles, nothing, short, writeEvaluationFiles } from "./fixtures.js";

const test = anyTest as TestFn<EvaluationFiles & { text: string; remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const text = join(path, "text.txt");
  writeFileSync(text, someText(300));
  t.context = { ...(await writeEvaluationFiles(path)), text, remove };
});
test.after.always((t) => t.context.remove?.());

const always = { value: 1, low: 1, high: 1 };

const data: readonly (readonly [
  title: string,
  file: "responses" | "choices" | "text",
  more: Partial<EvaluateOptions>,
])[] = [
  ["responses", "responses", { refreshIntervals: [1, 4] }],
  ["windows of a text", "text", { refreshIntervals: [5], windowSize: 60 }],
  ["choices", "choices", { refreshIntervals: [2] }],
  ["answers", "responses", { task: "generate", maxTokens: 12, refreshIntervals: [3] }],
];

/** Within the last digits of what f16 in the cache and sums in another order are worth. */
const near = (a: number, b: number) => Math.abs(a - b) <= 2e-4 * Math.max(1, Math.abs(b));

function checkAlike(t: ExecutionContext, { rows, comparisons }: EvaluationReport): void {
  const [full] = rows;
  for (const { row, figures, positions = [] } of rows) {
    t.deepEqual(Object.keys(figures), Object.keys(full?.figures ?? {}));
    t.true(Object.keys(figures).length >= 2);
    for (const name of ["agreement", "agreementAfterFirst", "sameAsFull"] as const)
      if (figures[name]) t.deepEqual(figures[name], always);
    for (const { agreement } of positions) t.is(agreement.value, 1);
    if (typeof row === "object") {
      // A refresh reads the response in other batches, so sums are made in another order.
      for (const [name, { value }] of Object.entries(figures))
        t.true(near(value, full?.figures[name as MetricName]?.value ?? Number.NaN), name);
      continue;
    }
    t.deepEqual(figures, full?.figures);
    for (const name of ["divergence", "divergenceAfterFirst"] as const)
      if (figures[name]) t.deepEqual(figures[name], nothing);
    for (const { divergence } of positions) t.is(divergence.value, 0);
  }
  const twoStage = comparisons.filter(({ row }) => row === "two-stage");
  t.is(twoStage.length, 2);
  for (const { differences, improvements = {} } of twoStage) {
    for (const difference of Object.values(differences)) t.deepEqual(difference, nothing);
    // Where some draw of so few questions has none right, there is no interval.
    for (const { value } of Object.values(improvements)) t.is(value, 0);
  }
}

for (const [title, file, more] of data) {
  test(`with no decode model all rows have the same figures for ${title}`, async (t) => {
    const report = await evaluate({ ...short, prefill: t.context.full, data: t.context[file], ...more });
    t.is(report.rows.length, 3 + (more.refreshIntervals?.length ?? 0));
    t.false("decode" in report);
    checkAlike(t, report);
  });

  test(`with the same file twice all rows have the same figures for ${title}`, async (t) => {
    const { full } = t.context;
    const report = await evaluate({ ...short, prefill: full, decode: full, data: t.context[file], ...more });
    t.false("decode" in report);
    checkAlike(t, report);
  });
}
