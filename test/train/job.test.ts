/** How a native training is watched and stopped; the training here is none. */

import test from "ava";
import { createNativeError } from "../../lib/errors/create-error.js";
import type { NativeHealEvents, NativeHealProgress } from "../../lib/internal/binding-types.js";
import type { BadLine, Evaluation, HealProgress } from "../../lib/train/index.js";
import { runTraining } from "../../lib/train/job.js";

const numbers = {
  step: 3,
  steps: 9,
  loss: 2.5,
  learningRate: 1e-3,
  gradientNorm: 0.5,
  tokens: 64,
  tokensPerSecond: 1e3,
};
const progress = (stage: number, fraction: number): NativeHealProgress => ({ stage, fraction, ...numbers });

/** Tells the events one after the other and ends with "done", or as aborted. */
function makeTraining() {
  let aborted = false;
  const start = (events: NativeHealEvents) => {
    const tell = [
      () => events.onProgress(progress(0, 1)),
      () => events.onBadLine({ path: "d.jsonl", line: 7, reason: "it is not valid JSON in UTF-8" }),
      () => events.onProgress(progress(1, 0.5)),
      () => events.onEvaluation({ step: 3, loss: 2 }),
      () => events.onProgress(progress(2, 0.25)),
      () => events.onProgress(progress(3, 1)),
    ];
    const finished = (async () => {
      for (const event of tell) {
        await Promise.resolve();
        if (aborted) break;
        event();
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

test("news come by name, to those who ask for them", async (t) => {
  const seen: HealProgress[] = [];
  const lines: BadLine[] = [];
  const evaluations: Evaluation[] = [];
  const result = await runTraining(makeTraining().start, {
    onProgress: (news) => seen.push(news),
    onBadLine: (line) => lines.push(line),
    onEvaluation: (evaluation) => evaluations.push(evaluation),
  });
  t.is(result, "done");
  t.deepEqual(seen, [
    { stage: "loading", fraction: 1, ...numbers },
    { stage: "training", fraction: 0.5, ...numbers },
    { stage: "evaluating", fraction: 0.25, ...numbers },
    { stage: "writing", fraction: 1, ...numbers },
  ]);
  t.deepEqual(lines, [{ path: "d.jsonl", line: 7, reason: "it is not valid JSON in UTF-8" }]);
  t.deepEqual(evaluations, [{ step: 3, loss: 2 }]);
  t.is(await runTraining(makeTraining().start, {}), "done");
});

test("an abort stops the training and rejects with the signal's reason once that has ended", async (t) => {
  for (const stage of ["loading", "training", "evaluating", "writing"]) {
    const { start, wasAborted } = makeTraining();
    const controller = new AbortController();
    const onProgress = (news: HealProgress) => news.stage === stage && controller.abort(stage);
    const work = runTraining(start, { onProgress, signal: controller.signal });
    t.is(await work.catch((error: unknown) => error), stage);
    t.true(wasAborted());
  }
});

test("a training does not begin once its signal has fired", async (t) => {
  const start = () => t.fail() as never;
  const signal = AbortSignal.abort(new RangeError("enough"));
  await t.throwsAsync(runTraining(start, { signal }), { instanceOf: RangeError });
});

for (const name of ["onProgress", "onBadLine", "onEvaluation"] as const)
  test(`what ${name} throws stops the training and reaches the caller`, async (t) => {
    const { start, wasAborted } = makeTraining();
    const callback = () => {
      throw new TypeError("mine");
    };
    await t.throwsAsync(runTraining(start, { [name]: callback }), { instanceOf: TypeError, message: "mine" });
    t.true(wasAborted());
  });
