/** Rows that only answers can be written by: qualities, and budgets for refreshes. */

import anyTest, { type TestFn } from "ava";
import { type EvaluatedRow, type ExampleResult, evaluate } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { makeTempDir } from "../support/temp-dir.js";
import { type EvaluationFiles, figureOf, isSame, short, writeEvaluationFiles } from "./fixtures.js";

const test = anyTest as TestFn<EvaluationFiles & { remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeEvaluationFiles(path)), remove };
});
test.after.always((t) => t.context.remove?.());

test("answers of other qualities, and with budgets for refreshes, are those that a session writes", async (t) => {
  const { full, small, responses: data } = t.context;
  const results: ExampleResult[] = [];
  const common = { ...short, prefill: full, decode: small, data, maxTokens: 24, maxExamples: 2 } as const;
  const report = await evaluate({
    ...{ ...common, task: "generate", qualities: ["exact", "fast", { acceptance: 0.5 }], refreshBudgets: [1] },
    onExample: (result) => results.push(result),
  });
  const texts = (row: EvaluatedRow) =>
    results.flatMap((one) => (one.task === "generate" && isSame(one.row, row) ? [one.text] : []));
  t.deepEqual(texts({ quality: "exact" }), texts("prefill"));
  t.is(texts({ quality: { acceptance: 0.5 } }).length, 2);
  t.is(texts({ refreshBudget: 1 }).length, 2);
  t.is(figureOf(report, { quality: "exact" }, "sameAsFull"), 1);
  t.is(report.rows.length, 6);
  for (const { speed } of report.rows) t.true((speed?.decodeTokensPerSecond ?? 0) > 0);
});

for (const [option, value] of [
  ["qualities", ["exact"]],
  ["refreshBudgets", [0.1]],
] as const)
  test(`${option} are refused where tokens are scored`, async (t) => {
    const { full, small, responses: data } = t.context;
    const asked = { ...short, prefill: full, decode: small, data, task: "responses", [option]: value } as const;
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", evaluate(asked));
    t.is(error.details.parameter, `options.${option}`);
  });
