/** Jobs that make files: what is done stays done, what was interrupted goes on, what changed is made again. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { isDone, type Job, put, runJobs } from "../../scripts/reproduce/jobs.js";
import { withTempDir } from "../support/temp-dir.js";

/** A job that writes what it needs and its own option, and counts how often it ran. */
function makeJob(folder: string, name: string, needs: readonly Job[], options: unknown = {}) {
  const job = {
    name,
    out: join(folder, name),
    needs,
    options,
    runs: 0,
    run: async () => {
      job.runs++;
      writeFileSync(job.out, `${name}(${needs.map(({ out }) => readFileSync(out, "utf8")).join(",")})`);
    },
  };
  return job;
}

test("every job runs once, behind those that it needs, and not again", async (t) => {
  const folder = withTempDir(t);
  const make = () => {
    const a = makeJob(folder, "a", []);
    const b = makeJob(folder, "b", [a]);
    const c = makeJob(folder, "c", [a]);
    return [a, b, c, makeJob(folder, "d", [b, c])] as const;
  };
  const first = make();
  await runJobs([first[3], first[1]], { atOnce: 2 });
  t.deepEqual(
    first.map(({ runs }) => runs),
    [1, 1, 1, 1],
  );
  t.is(readFileSync(first[3].out, "utf8"), "d(b(a()),c(a()))");
  const again = make();
  await runJobs([again[3]], { atOnce: 1 });
  t.deepEqual(
    again.map(({ runs }) => runs),
    [0, 0, 0, 0],
  );
});

test("a change of options makes anew what depends on them, and nothing else", async (t) => {
  const folder = withTempDir(t);
  const make = (option: number) => {
    const [a, b] = [makeJob(folder, "a", [], option), makeJob(folder, "b", [])];
    return [a, b, makeJob(folder, "c", [a, b])] as const;
  };
  await runJobs([make(1)[2]], { atOnce: 1 });
  const changed = make(2);
  t.false(isDone(changed[2]));
  await runJobs([changed[2]], { atOnce: 1 });
  t.deepEqual(
    changed.map(({ runs }) => runs),
    [1, 0, 1],
  );
});

test("a failure is thrown when the others have ended, and leaves what was done", async (t) => {
  const folder = withTempDir(t);
  const done = makeJob(folder, "done", []);
  let stopped = false;
  const slow: Job = {
    ...makeJob(folder, "slow", [done]),
    run: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          setTimeout(() => {
            stopped = true;
            reject(signal.reason);
          }, 20);
        });
      }),
  };
  const failing: Job = {
    ...makeJob(folder, "failing", [done]),
    run: async () => {
      throw new Error("no luck");
    },
  };
  await t.throwsAsync(runJobs([slow, failing], { atOnce: 2 }), { message: "no luck" });
  t.true(stopped);
  t.true(isDone(done));
  t.false(isDone(failing));
  t.false(existsSync(`${slow.out}.key`));
});

test("no more jobs than asked for run at once, and an abort stops them", async (t) => {
  const folder = withTempDir(t);
  let running = 0;
  let most = 0;
  const jobs = Array.from(
    { length: 6 },
    (_, i): Job => ({
      ...makeJob(folder, String(i), []),
      run: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 10));
        running--;
        writeFileSync(join(folder, String(i)), "");
      },
    }),
  );
  await runJobs(jobs, { atOnce: 3 });
  t.is(most, 3);
  const job = makeJob(folder, "late", []);
  await t.throwsAsync(runJobs([job], { atOnce: 1, signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
  t.is(job.runs, 0);
});

test("an abort is thrown only when nothing runs any more, also if it comes as a job ends", async (t) => {
  const folder = withTempDir(t);
  const stop = new AbortController();
  let ended = false;
  const slow: Job = {
    ...makeJob(folder, "slow", []),
    run: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          setTimeout(() => {
            ended = true;
            reject(signal.reason);
          }, 30);
        });
      }),
  };
  const quick = makeJob(folder, "quick", []);
  const events = { onEnd: (job: Job) => job.name === "quick" && stop.abort(new Error("stop")) };
  await t.throwsAsync(runJobs([slow, quick], { atOnce: 2, signal: stop.signal, events }), { message: "stop" });
  t.true(ended);
  t.true(isDone(quick));
});

test("a file is drawn a piece at a time, and a stop in between leaves none", async (t) => {
  const folder = withTempDir(t);
  const path = join(folder, "texts");
  function* pieces(count: number) {
    for (let i = 0; i < count; i++) yield `${i}\n`.padStart(1000);
  }
  await put(path, pieces(100));
  t.is(readFileSync(path, "utf8"), [...pieces(100)].join(""));

  const stop = new AbortController();
  const reason = new Error("enough");
  setImmediate(() => stop.abort(reason));
  const endless = join(folder, "endless");
  t.is(await t.throwsAsync(put(endless, pieces(Number.POSITIVE_INFINITY), stop.signal)), reason);
  t.false(existsSync(endless));
});
