/** The reproduction of trained readers with next to no steps: every row of its table from the jobs of the run. */

import { join } from "node:path";
import test from "ava";
import { runJobs } from "../../scripts/reproduce/jobs.js";
import { readerContestants, readerRows } from "../../scripts/reproduce/reader/contestants.js";
import { readerPlans } from "../../scripts/reproduce/reader/plan.js";
import { readerOutcome } from "../../scripts/reproduce/reader/reproduce.js";
import { withTempDir } from "../support/temp-dir.js";

const demo = join(import.meta.dirname, "..", "..", "models", "demo-prefill.gguf");

test("every side of a pair is trained and asked", async (t) => {
  const plan = { ...readerPlans.quick, ratios: [0.7], steps: 1, batch: 2, seeds: [1, 2], questions: 1, resamples: 100 };
  const rows = readerContestants(plan, demo, withTempDir(t));
  await runJobs(
    rows.flatMap(({ answers }) => answers),
    { atOnce: 2 },
  );
  const outcome = await readerOutcome(plan, rows);
  t.deepEqual(
    outcome.rows.map(({ name }) => name),
    Object.values(readerRows),
  );
  t.is(outcome.rows[0]?.scores.exact.heldOut.value, 1);
});
