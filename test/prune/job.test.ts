/** How native work is watched and stopped; the work here is none. */

import test from "ava";
import { createNativeError } from "../../lib/errors/create-error.js";
import type { NativePruneProgress } from "../../lib/internal/binding-types.js";
import { runJob } from "../../lib/prune/job.js";
import type { PruneProgress } from "../../lib/prune/options.js";

/** Ends with "done" after some reports, or as aborted. */
function makeJob(reports: readonly Parameters<NativePruneProgress>[]) {
  let aborted = false;
  const start = (onProgress: NativePruneProgress) => {
    const finished = (async () => {
      for (const report of reports) {
        await Promise.resolve();
        if (aborted) throw createNativeError("ERR_ABORTED", "stopped", {});
        onProgress(...report);
      }
      await new Promise(setImmediate);
      if (aborted) throw createNativeError("ERR_ABORTED", "stopped", {});
      return "done";
    })();
    const abort = () => {
      aborted = true;
    };
    return { finished, abort };
  };
  return { start, wasAborted: () => aborted };
}

const reports = [
  [0, 1, 0],
  [1, 0.5, 512],
  [2, 0.25, 512],
  [3, 1, 512],
] as const satisfies Parameters<NativePruneProgress>[];

test("progress is told by the stage's name", async (t) => {
  const seen: PruneProgress[] = [];
  t.is(await runJob(makeJob(reports).start, { onProgress: (news) => seen.push(news) }), "done");
  t.deepEqual(seen, [
    { stage: "loading", fraction: 1, tokens: 0 },
    { stage: "calibrating", fraction: 0.5, tokens: 512 },
    { stage: "writing", fraction: 0.25, tokens: 512 },
    { stage: "measuring", fraction: 1, tokens: 512 },
  ]);
  t.is(await runJob(makeJob(reports).start, {}), "done");
});

test("an abort stops the work and rejects with the signal's reason", async (t) => {
  for (const stage of ["loading", "calibrating", "writing", "measuring"]) {
    const { start, wasAborted } = makeJob(reports);
    const controller = new AbortController();
    const onProgress = (news: PruneProgress) => news.stage === stage && controller.abort(stage);
    const thrown = await runJob(start, { onProgress, signal: controller.signal }).catch((error: unknown) => error);
    t.is(thrown, stage);
    t.true(wasAborted());
  }
  const { start } = makeJob(reports);
  await t.throwsAsync(runJob(start, { signal: AbortSignal.abort(new RangeError("before")) }), { message: "before" });
});

test("what a callback throws stops the work and comes back", async (t) => {
  const { start, wasAborted } = makeJob(reports);
  const onProgress = () => {
    throw new TypeError("mine");
  };
  await t.throwsAsync(runJob(start, { onProgress }), { instanceOf: TypeError, message: "mine" });
  t.true(wasAborted());
});
