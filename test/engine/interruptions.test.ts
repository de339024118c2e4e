/** Aborts and disposals at every stage: the signal's own reason, ERR_DISPOSED, and a session that can be used again. */

import test from "ava";
import { loadPair, OverfillError, type Session } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { answer, greedy, openPair, openSession, readAnswer, someTokens } from "./fixtures.js";

/** Large enough that a prompt of a thousand tokens takes a while, small enough to be made in a blink. */
const model = { nEmbd: 256, nFf: 1024, nLayers: 4, contextLength: 4096 } as const;
const slow = { prefill: model, contextSize: 4096, batchSize: 16 } as const;
const prompt = someTokens(3000);

const codeOf = (error: unknown) => (OverfillError.isInstance(error) ? error.code : String(error));

/** A signal that fires after the first progress report, and its reason. */
function afterFirstProgress() {
  const controller = new AbortController();
  const reason = new Error("enough");
  return { signal: controller.signal, reason, onProgress: () => controller.abort(reason) };
}

/** That the session answers like one that nothing happened to. */
async function answersAsNew(session: Session): Promise<boolean> {
  const short = someTokens(20, 7);
  const mine = await answer(session, short, { ...greedy, maxTokens: 12, ignoreEos: true });
  const fresh = await session.pair.createSession();
  const theirs = await answer(fresh, short, { ...greedy, maxTokens: 12, ignoreEos: true });
  await fresh.dispose();
  return JSON.stringify(mine.tokens) === JSON.stringify(theirs.tokens);
}

test("a signal that has fired already stops every call before it begins", async (t) => {
  const session = await openSession(t);
  const reason = new Error("never");
  const signal = AbortSignal.abort(reason);
  const calls = [
    () => loadPair({ prefill: { model: "no-such-file.gguf" }, signal }),
    () => session.prefill([50], { signal }),
    () => session.switch({ signal }),
    () => session.generate([50], { signal }),
    () => readAnswer(session.decode({ signal })),
  ];
  for (const call of calls) t.is(await t.throwsAsync<Error>(call), reason);
  t.is(session.stats().stage, "empty");
});

test("a load is aborted with the signal's reason, at its first progress", async (t) => {
  const { path } = await writeTinyModel(`${withTempDir(t)}/model.gguf`, model);
  const { signal, reason, onProgress } = afterFirstProgress();
  t.is(await t.throwsAsync<Error>(loadPair({ prefill: { model: path }, signal, onProgress })), reason);
});

test("a prefill is aborted within a micro-batch, and the session is as it was", async (t) => {
  const session = await openSession(t, { ...slow, maxSessions: 2 });
  const { signal, reason, onProgress } = afterFirstProgress();
  t.is(await t.throwsAsync<Error>(session.prefill(prompt, { signal, onProgress })), reason);
  t.is(session.stats().stage, "empty");
  t.is(session.stats().contextTokens, 0);
  t.true(await answersAsNew(session));
});

test("an aborted refresh asks for another prefill, which makes it good", async (t) => {
  const session = await openSession(t, { ...slow, maxSessions: 2 });
  const first = await answer(session, prompt.slice(0, 100), { ...greedy, maxTokens: 200, ignoreEos: true });
  const { signal, reason, onProgress } = afterFirstProgress();
  t.is(await t.throwsAsync<Error>(session.prefill(someTokens(50, 2), { signal, onProgress })), reason);
  t.is(session.stats().stage, "interrupted");
  t.is(codeOf(await t.throwsAsync(session.switch())), "ERR_STAGE_ORDER");
  t.is(codeOf(await t.throwsAsync(readAnswer(session.decode()))), "ERR_STAGE_ORDER");

  const next = someTokens(50, 3);
  const mended = await answer(session, next, { ...greedy, maxTokens: 12, ignoreEos: true });
  const other = await session.pair.createSession();
  const expected = await answer(other, [...prompt.slice(0, 100), ...first.tokens, ...next], {
    ...greedy,
    maxTokens: 12,
    ignoreEos: true,
  });
  t.deepEqual(mended.tokens, expected.tokens);
});

test("an answer is aborted with the signal's reason, keeps what was delivered, and can go on", async (t) => {
  const session = await openSession(t, { ...slow, maxSessions: 2 });
  const options = { ...greedy, ignoreEos: true };
  await session.prefill(prompt.slice(0, 30));
  await session.switch();
  const controller = new AbortController();
  const reason = new Error("enough");
  const delivered: number[] = [];
  const stream = session.decode({ ...options, signal: controller.signal });
  const reading = async () => {
    for await (const chunk of stream) {
      delivered.push(...chunk.tokens);
      if (delivered.length > 5) controller.abort(reason);
    }
  };
  t.is(await t.throwsAsync<Error>(reading()), reason);
  t.is((await stream.result).reason, "abort");
  t.is(session.stats().stage, "paused");

  const rest = await readAnswer(session.decode({ ...options, maxTokens: 20 }));
  const whole = await answer(await session.pair.createSession(), prompt.slice(0, 30), {
    ...options,
    maxTokens: delivered.length + 20,
  });
  t.deepEqual([...delivered, ...rest.tokens], [...whole.tokens]);
});

test("a progress callback that throws stops its call and is what the call rejects with", async (t) => {
  const session = await openSession(t, slow);
  const mine = new Error("from the callback");
  const onProgress = () => {
    throw mine;
  };
  t.is(await t.throwsAsync<Error>(session.prefill(prompt, { onProgress })), mine);
  t.is(session.stats().stage, "empty");
  const { path } = await writeTinyModel(`${withTempDir(t)}/model.gguf`, model);
  t.is(await t.throwsAsync<Error>(loadPair({ prefill: { model: path }, onProgress })), mine);
});

for (const what of ["session", "pair"] as const) {
  test(`disposing the ${what} during a prefill rejects it with ERR_DISPOSED`, async (t) => {
    const session = await openSession(t, slow);
    const running = t.throwsAsync(session.prefill(prompt));
    await (what === "session" ? session : session.pair).dispose();
    t.is(codeOf(await running), "ERR_DISPOSED");
    t.is(codeOf(await t.throwsAsync(session.prefill([50]))), "ERR_DISPOSED");
  });

  test(`disposing the ${what} during an answer ends the iteration with ERR_DISPOSED`, async (t) => {
    const session = await openSession(t, slow);
    await session.prefill(prompt.slice(0, 20));
    await session.switch();
    const reading = async () => {
      for await (const _chunk of session.decode({ ignoreEos: true }))
        void (what === "session" ? session : session.pair).dispose();
    };
    t.is(codeOf(await t.throwsAsync(reading())), "ERR_DISPOSED");
  });
}

test("everything after dispose is refused, and dispose can be called again, in any order", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const [one, two] = [await pair.createSession(), await pair.createSession()];
  await one.dispose();
  await one.dispose();
  const calls = (session: Session) => [
    () => session.prefill([50]),
    () => session.switch(),
    () => session.generate([50]),
    async () => session.decode(),
    async () => session.stats(),
    async () => session.tokenize("a"),
    async () => session.detokenize([50]),
  ];
  for (const call of calls(one)) t.is(codeOf(await t.throwsAsync(call)), "ERR_DISPOSED");
  t.is((await two.prefill([50])).promptTokens, 1);
  await Promise.all([pair.dispose(), two.dispose(), pair.dispose()]);
  for (const call of [...calls(two), () => pair.createSession(), async () => pair.tokenize("a")])
    t.is(codeOf(await t.throwsAsync(call)), "ERR_DISPOSED");
});

test("a second stage while one runs is refused, and the first goes on", async (t) => {
  const session = await openSession(t, slow);
  const first = session.prefill(prompt.slice(0, 500));
  t.is(codeOf(await t.throwsAsync(session.prefill([50]))), "ERR_SESSION_BUSY");
  t.is(codeOf(await t.throwsAsync(session.switch())), "ERR_SESSION_BUSY");
  t.is(codeOf(await t.throwsAsync(readAnswer(session.decode()))), "ERR_SESSION_BUSY");
  t.is((await first).promptTokens, 500);
});
