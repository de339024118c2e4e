/** Aborts: the signal's own reason comes back, native work stops, and the session can be used again. */

import { join } from "node:path";
import test from "ava";
import { loadPair, type Session } from "../../lib/index.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import {
  type Answer,
  answer,
  answerAlone,
  openPair,
  openSession,
  quiet,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const dir = makeTempDir();
/** Large enough for a prefill in small micro-batches to take its time. */
const slow = join(dir.path, "slow.gguf");
const decode = { seed: 2, nEmbd: 32, nFf: 64, nLayers: 4 } as const;
const recipe = { prefill: slow, decode, contextSize: 1024, batchSize: 4 } as const;
const prompt = someTokens(600);

test.before(async () => {
  await writeTinyModel(slow, { nEmbd: 256, nFf: 512, nLayers: 4, contextLength: 1024 });
});
test.after.always(() => dir.remove());

const reasons: readonly (readonly [title: string, reason: unknown])[] = [
  ["an error of the caller's own", new RangeError("enough")],
  ["a plain object", { why: "enough" }],
  ["a string", "enough"],
  ["null", null],
];

/** What a promise rejects with, whatever it is. */
async function thrownBy(work: Promise<unknown>): Promise<{ readonly thrown: unknown } | undefined> {
  return work.then(
    () => undefined,
    (thrown: unknown) => ({ thrown }),
  );
}

for (const [title, reason] of reasons) {
  test(`with ${title} as reason, an aborted signal stops every call before it begins, with that very reason`, async (t) => {
    const signal = AbortSignal.abort(reason);
    const session = await openSession(t, recipe);
    const rejects = async (work: Promise<unknown>) => t.is((await thrownBy(work))?.thrown, reason);
    await rejects(loadPair({ ...quiet, prefill: { model: slow }, signal }));
    await rejects(session.prefill([50], { signal }));
    await rejects(session.generate([50], { signal }));
    t.is(session.stats().stage, "empty");
    await session.prefill([50, 51]);
    await rejects(session.switch({ signal }));
    t.is(session.stats().stage, "prefilled");
    await session.switch();
    const stream = session.decode({ signal });
    await rejects(readAnswer(stream));
    t.like(await stream.result, { reason: "abort", tokens: 0 });
    t.is(session.stats().stage, "switched");
    t.is((await readAnswer(session.decode(traced(3)))).tokens.length, 3);
  });

  test(`with ${title} as reason, a running prefill and a running answer reject with that very reason`, async (t) => {
    const session = await openSession(t, recipe);
    const first = new AbortController();
    const prefill = session.prefill(prompt, { signal: first.signal, onProgress: () => first.abort(reason) });
    t.is((await thrownBy(prefill))?.thrown, reason);
    await session.prefill([50]);
    await session.switch();
    const second = new AbortController();
    const reading = (async () => {
      for await (const _ of session.decode({ ...traced(900), signal: second.signal })) second.abort(reason);
    })();
    t.is((await thrownBy(reading))?.thrown, reason);
  });
}

test("without a reason, and after a time limit, the reason is the platform's own error", async (t) => {
  const session = await openSession(t, recipe);
  const controller = new AbortController();
  const aborted = session.prefill(prompt, { signal: controller.signal });
  controller.abort();
  t.is((await thrownBy(aborted))?.thrown, controller.signal.reason);
  t.is(controller.signal.reason.name, "AbortError");
  const signal = AbortSignal.timeout(5);
  await thrownBy(session.generate(prompt, { ...traced(400), signal }));
  t.is(signal.reason.name, "TimeoutError");
});

test("an aborted load rejects with the reason, and leaves nothing behind that would stop the next", async (t) => {
  for (let round = 0; round < 5; round++) {
    const controller = new AbortController();
    const reason = new Error(`round ${round}`);
    const load = loadPair({ ...quiet, prefill: { model: slow }, signal: controller.signal });
    controller.abort(reason);
    t.is((await thrownBy(load))?.thrown, reason);
  }
  t.is((await openPair(t, recipe)).info.contextSize, 1024);
});

for (const at of [0, 0.5, 1]) {
  test(`a load that is aborted at a progress of ${at} rejects with the reason`, async (t) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const load = loadPair({
      ...quiet,
      prefill: { model: slow },
      signal: controller.signal,
      onProgress: ({ fraction }) => {
        if (fraction >= at) controller.abort(reason);
      },
    });
    t.is((await thrownBy(load))?.thrown, reason);
  });
}

test("an aborted prefill stops within a few micro-batches and reads nothing", async (t) => {
  const session = await openSession(t, recipe);
  const controller = new AbortController();
  let seen = 0;
  const prefill = session.prefill(prompt, {
    signal: controller.signal,
    onProgress: ({ tokens }) => {
      seen = tokens;
      controller.abort();
    },
  });
  t.truthy(await thrownBy(prefill));
  t.true(seen < 600, String(seen));
  t.like(session.stats(), { stage: "empty", contextTokens: 0, prefillTokens: 0 });
});

test("after an aborted prefill the session reads the next prompt as a new session does", async (t) => {
  const pair = await openPair(t, { ...recipe, maxSessions: 2 });
  const session = await pair.createSession();
  await abortAtFirstBatch(session);
  const { logProbs } = await answer(session, someTokens(100, 7), traced(16));
  t.deepEqual(logProbs, (await answerAlone(pair, someTokens(100, 7), traced(16))).logProbs);
});

test("an aborted prefill leaves the one before it as it was", async (t) => {
  const pair = await openPair(t, { ...recipe, maxSessions: 2 });
  const session = await pair.createSession();
  await session.prefill(someTokens(100, 7));
  await abortAtFirstBatch(session);
  t.like(session.stats(), { stage: "prefilled", contextTokens: 100 });
  await session.switch();
  const { logProbs } = await readAnswer(session.decode(traced(16)));
  t.deepEqual(logProbs, (await answerAlone(pair, someTokens(100, 7), traced(16))).logProbs);
});

for (const handover of ["share", "translate"] as const) {
  test(`an answer can go on after an aborted prefill that was to keep its cells (${handover})`, async (t) => {
    const pair = await openPair(t, { ...recipe, handover, maxSessions: 2 });
    const whole = await answerAlone(pair, someTokens(60), traced(40));
    const session = await pair.createSession();
    const begun = await answer(session, someTokens(60), traced(20));
    await abortAtFirstBatch(session, { refresh: false });
    t.is(session.stats().stage, "paused");
    const rest = await readAnswer(session.decode(traced(20)));
    t.deepEqual([...begun.logProbs, ...rest.logProbs], [...whole.logProbs]);
  });

  test(`after an aborted refresh only another prefill is allowed, and it makes good what was missed (${handover})`, async (t) => {
    // Micro-batches of one token: the cuts between them are the same, however often the reading begins again.
    const pair = await openPair(t, { ...recipe, handover, batchSize: 1, maxSessions: 2 });
    const session = await pair.createSession();
    const { tokens } = await answer(session, someTokens(60), traced(100));
    await abortAtFirstBatch(session);
    t.like(session.stats(), { stage: "interrupted", contextTokens: 160 });
    await refusal(t, "ERR_STAGE_ORDER", session.switch());
    await refusal(t, "ERR_STAGE_ORDER", readAnswer(session.decode()));
    const next = someTokens(10, 3);
    const report = await session.prefill(next);
    t.is(report.contextTokens, 170);
    t.true(report.refreshedTokens > 0 && report.refreshedTokens <= 100);
    await session.switch();
    const { logProbs } = await readAnswer(session.decode(traced(16)));

    const fresh = await pair.createSession();
    t.deepEqual(logProbs, (await answer(fresh, [...someTokens(60), ...tokens, ...next], traced(16))).logProbs);
  });

  test(`an aborted answer can go on as if it had never been aborted (${handover})`, async (t) => {
    const pair = await openPair(t, { ...recipe, handover, maxSessions: 2 });
    const whole = await answerAlone(pair, someTokens(60), traced(300));
    const session = await pair.createSession();
    await session.prefill(someTokens(60));
    await session.switch();
    const logProbs: Answer["logProbs"][number][] = [];
    while (logProbs.length < 300) {
      const controller = new AbortController();
      const stream = session.decode({ ...traced(300 - logProbs.length), signal: controller.signal });
      let delivered = 0;
      const reading = (async () => {
        for await (const chunk of stream) {
          delivered += chunk.tokens.length;
          logProbs.push(...(chunk.logProbs ?? []));
          if (delivered > 20) controller.abort();
        }
      })();
      await thrownBy(reading);
      t.is((await stream.result).tokens, delivered);
      t.is(session.stats().decodeTokens, logProbs.length);
    }
    t.deepEqual(logProbs, [...whole.logProbs]);
  });
}

async function abortAtFirstBatch(session: Session, options: { readonly refresh?: boolean } = {}): Promise<void> {
  const controller = new AbortController();
  const prefill = session.prefill(prompt, {
    ...options,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  if (!(await thrownBy(prefill))) throw new Error("the prefill was not aborted");
}

test("generate is aborted in whichever stage runs", async (t) => {
  const session = await openSession(t, recipe);
  const reason = new Error("enough");
  const reading = new AbortController();
  const inPrefill = session.generate(prompt, { signal: reading.signal, onProgress: () => reading.abort(reason) });
  t.is((await thrownBy(inPrefill))?.thrown, reason);
  const writing = new AbortController();
  const inDecode = session.generate([50], {
    ...traced(900),
    signal: writing.signal,
    onChunk: () => writing.abort(reason),
  });
  t.is((await thrownBy(inDecode))?.thrown, reason);
  t.is(session.stats().stage, "paused");
});

test("an abort after the end changes nothing", async (t) => {
  const session = await openSession(t, recipe);
  const controller = new AbortController();
  const { signal } = controller;
  await session.prefill([50], { signal });
  await session.switch({ signal });
  const { result } = await readAnswer(session.decode({ ...traced(5), signal }));
  controller.abort();
  t.is(result.reason, "length");
  t.is((await answer(session, [51], traced(5))).result.reason, "length");
});

test("an abort of one session leaves the others alone", async (t) => {
  const pair = await openPair(t, { ...recipe, maxSessions: 2 });
  const expected = await answerAlone(pair, someTokens(60), traced(50));
  const [one, two] = [await pair.createSession(), await pair.createSession()];
  const [, other] = await Promise.all([abortAtFirstBatch(one), answer(two, someTokens(60), traced(50))]);
  t.deepEqual(other.logProbs, expected.logProbs);
});

test("a progress callback that throws rejects its call with that error, and the session goes on", async (t) => {
  const error = new Error("the caller's own fault");
  const fail = () => {
    throw error;
  };
  t.is((await thrownBy(loadPair({ ...quiet, prefill: { model: slow }, onProgress: fail })))?.thrown, error);
  const session = await openSession(t, recipe);
  t.is((await thrownBy(session.prefill(prompt, { onProgress: fail })))?.thrown, error);
  t.like(session.stats(), { stage: "empty", contextTokens: 0 });
  t.is((await thrownBy(session.generate(prompt, { onProgress: fail })))?.thrown, error);
  t.is((await thrownBy(session.generate([50], { ...traced(800), onChunk: fail })))?.thrown, error);
  t.is(session.stats().stage, "paused");
  t.is((await answer(session, [50], traced(5))).tokens.length, 5);
});

test("leaving the loop stops the engine: nothing is written afterwards", async (t) => {
  const pair = await openPair(t, { ...recipe, maxSessions: 2 });
  const [session, other] = [await pair.createSession(), await pair.createSession()];
  await session.prefill([50]);
  await session.switch();
  for await (const _ of session.decode(traced(1000))) break;
  const before = session.stats();
  t.true(before.decodeTokens < 1000);
  // The engine takes turns: in a hundred of them the session that was left would have had as many.
  await answer(other, [51], traced(100));
  t.deepEqual(session.stats(), before);
});
