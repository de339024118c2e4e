/**
 * `npm run reproduce`: the paper in miniature (arXiv 2508.08446), with this package's own tools: a full model from scratch,
 * pruned, healed in both ways, and asked.
 *
 *     npm run reproduce -- [--quick] [--out DIR] [--jobs N]
 *
 *     --quick         the same ways with fewer steps, one ratio and two seeds
 *     --out DIR       where everything is written; build/reproduce (build/reproduce-quick) if left out
 *     --jobs N        trainings at once, one thread each; the cores of this machine if left out
 *
 * Whatever is done stays: the same command goes on after an interruption, at the step of a training where it was.
 */

import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { contestantsOf, rowNames } from "./contestants.js";
import { type Job, put, runJobs } from "./jobs.js";
import { modelJobs } from "./models.js";
import { plans } from "./plan.js";
import { outcomePlot } from "./plot.js";
import { outcomeOf, toMarkdown, toText } from "./report.js";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, out: { type: "string" }, jobs: { type: "string" } },
});
const plan = values.quick ? plans.quick : plans.whole;
const folder =
  values.out ?? join(import.meta.dirname, "..", "..", "build", values.quick ? "reproduce-quick" : "reproduce");
const atOnce = Number(values.jobs ?? availableParallelism());
if (!Number.isSafeInteger(atOnce) || atOnce < 1) throw new RangeError("--jobs: expected a whole number from 1");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    console.error("stopping; the same command goes on from here");
    stop.abort(new Error(`stopped by ${signal}`));
  });

const begun = performance.now();
const told = new Map<Job, number>();
const clock = () => {
  const seconds = Math.round((performance.now() - begun) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};
const events = {
  onProgress(job: Job, fraction: number) {
    // A line for every tenth, and only of what takes long.
    const tenth = Math.floor(10 * fraction);
    if (tenth <= (told.get(job) ?? 0) || tenth === 10) return;
    told.set(job, tenth);
    console.error(`${clock()}  ${job.name}: ${10 * tenth}%`);
  },
  onEnd(job: Job, ms: number | undefined) {
    if (ms !== undefined) console.error(`${clock()}  ${job.name}: done in ${(ms / 1000).toFixed(1)} s`);
  },
};

await mkdir(folder, { recursive: true });
const contestants = contestantsOf(plan, modelJobs(plan, folder), folder);
// The demo pair first: it takes longest, and is wanted soonest.
const demo = contestants.rows.filter(({ name }) => name === rowNames.demo);
const wanted = [...demo, ...contestants.rows, ...contestants.curve].flatMap(({ answers }) => answers);
try {
  await runJobs(wanted, { atOnce, signal: stop.signal, events });
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exit(130);
}

const outcome = await outcomeOf(plan, contestants);
await put(join(folder, "reproduction.json"), `${JSON.stringify(outcome, null, 2)}\n`);
await put(join(folder, "reproduction.md"), `${toMarkdown(outcome)}\n`);
await put(join(folder, "reproduction.svg"), outcomePlot(outcome));
console.log(toText(outcome));
console.log(`\nwritten: reproduction.json, reproduction.md and reproduction.svg in ${folder}`);
