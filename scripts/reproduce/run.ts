/** Runs a reproduction's jobs as a command does: telling what is done, and stopping where it can be gone on from. */

import { type Job, runJobs } from "./jobs.js";

const begun = performance.now();
const told = new Map<Job, number>();

function clock(): string {
  const seconds = Math.round((performance.now() - begun) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

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

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    console.error("stopping; the same command goes on from here");
    stop.abort(new Error(`stopped by ${signal}`));
  });

/** Ends the process where it is stopped. */
export async function runToEnd(wanted: readonly Job[], atOnce: number): Promise<void> {
  try {
    await runJobs(wanted, { atOnce, signal: stop.signal, events });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exit(130);
  }
}
