/** The whole reproduction with models that learn nothing: every table from files of the run, and the same after a stop. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { contestantsOf, rowNames } from "../../scripts/reproduce/contestants.js";
import { runJobs } from "../../scripts/reproduce/jobs.js";
import { modelJobs } from "../../scripts/reproduce/models.js";
import { type Plan, plans } from "../../scripts/reproduce/plan.js";
import { outcomeOf } from "../../scripts/reproduce/report.js";
import { withTempDir } from "../support/temp-dir.js";

const steps = { batch: 2, learningRate: 1e-3, threads: 1 };
const plan: Plan = {
  ...plans.quick,
  shape: { hiddenSize: 64, feedForwardSize: 64, layers: 2, heads: 2, kvHeads: 1 },
  copying: { ...steps, steps: 2 },
  full: { ...steps, steps: 6 },
  healSteps: [1, 3],
  heal: steps,
  tableSteps: 3,
  demoSteps: 5,
  seeds: [1, 2],
  refreshIntervals: [4],
  healRefreshInterval: 4,
  questions: 1,
  resamples: 100,
};

function jobsIn(folder: string) {
  const contestants = contestantsOf(plan, modelJobs(plan, folder), folder);
  const wanted = [...contestants.rows, ...contestants.curve].flatMap(({ answers }) => answers);
  return { contestants, wanted };
}

test("a run that was stopped in trainings and between them ends in the same table", async (t) => {
  const [first, second] = [withTempDir(t), withTempDir(t)];
  const plain = jobsIn(first);
  await runJobs(plain.wanted, { atOnce: 2 });
  const expected = await outcomeOf(plan, plain.contestants);
  t.deepEqual(
    expected.rows.map(({ name, ratio }) => [name, ratio]),
    [
      [rowNames.full, undefined],
      ...[
        rowNames.pruned,
        rowNames.prunedTwoStage,
        rowNames.scratch,
        rowNames.scratch4,
        rowNames.sft,
        rowNames.overfill,
        rowNames.refresh(4),
        rowNames.refreshHealed(4),
        rowNames.demo,
        rowNames.demoAlone,
      ].map((name) => [name, 0.45]),
    ],
  );
  t.is(expected.curve.length, 4);

  // Stopped at the first sign of life of each of these, then gone on with.
  for (const part of ["full model learns its tasks", "overfill, 0.45", "answers: sft"]) {
    const stop = new AbortController();
    const end = (job: { readonly name: string }) => job.name.includes(part) && stop.abort(new Error("stopped"));
    const run = runJobs(jobsIn(second).wanted, { atOnce: 2, signal: stop.signal, events: { onProgress: end } });
    await t.throwsAsync(run, { message: "stopped" });
  }
  const resumed = jobsIn(second);
  await runJobs(resumed.wanted, { atOnce: 1 });
  t.deepEqual(await outcomeOf(plan, resumed.contestants), expected);
  // Every answer of the table is in a file of this run.
  for (const { out } of resumed.wanted) t.true(readdirSync(second).includes(out.slice(join(second, "/").length)));
});
