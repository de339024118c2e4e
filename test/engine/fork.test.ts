/** Forks: a second session with the same past, from which either goes on as it would alone. */

import test from "ava";
import type { DecodeOptions, Session } from "../../lib/index.js";
import {
  answer,
  kindsOfPairs,
  narrower,
  openPair,
  openSession,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const decode = narrower;

/** Computed alone, so that runs are equal to the bit. */
const exact = (maxTokens: number, options: DecodeOptions = {}) =>
  ({ ...traced(maxTokens), deterministic: true, ...options }) as const satisfies DecodeOptions;

/** What is compared of an answer. */
async function written(session: Session, options: DecodeOptions) {
  const { tokens, logProbs, text } = await readAnswer(session.decode(options));
  return { tokens, logProbs, text };
}

const read = async (session: Session, count: number, seed: number) => {
  await session.prefill(someTokens(count, seed), { deterministic: true });
  await session.switch();
};

for (const [title, recipe] of kindsOfPairs) {
  test(`a fork in the middle of an answer and its origin both go on with it (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 2 });
    const session = await pair.createSession();
    await read(session, 40, 1);
    await written(session, exact(10));
    await using twin = await session.fork();
    t.like(twin.stats(), { stage: "paused", contextTokens: 50, prefillTokens: 0, decodeTokens: 0 });
    const [own, twins] = await Promise.all([written(session, exact(20)), written(twin, exact(20))]);
    t.deepEqual(twins, own);

    const single = await openSession(t, recipe);
    await read(single, 40, 1);
    await written(single, exact(10));
    t.deepEqual(own, await written(single, exact(20)));
  });

  test(`what a fork does later its origin does not see, nor the other way round (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 3 });
    const alone = async (seed: number) => {
      await using session = await pair.createSession();
      await read(session, 40, 1);
      const first = await written(session, exact(10));
      await read(session, 15, seed);
      return [first, await written(session, exact(20))];
    };
    const expected = [await alone(2), await alone(3)];

    const session = await pair.createSession();
    await read(session, 40, 1);
    const first = await written(session, exact(10));
    await using twin = await session.fork();
    const next = async (of: Session, seed: number) => {
      await read(of, 15, seed);
      return [first, await written(of, exact(20))];
    };
    t.deepEqual(await Promise.all([next(session, 2), next(twin, 3)]), expected);
  });
}

test("a fork of a prompt and of nothing go on like their origin", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 3 });
  const session = await pair.createSession();
  await using empty = await session.fork();
  t.like(empty.stats(), { stage: "empty", contextTokens: 0 });
  await session.prefill(someTokens(30));
  await using read = await session.fork();
  t.is(read.stats().stage, "prefilled");
  await session.switch();
  await read.switch();
  const expected = await written(session, exact(20));
  t.deepEqual(await written(read, exact(20)), expected);
  const { tokens, logProbs, text } = await answer(empty, someTokens(30), exact(20));
  t.deepEqual({ tokens, logProbs, text }, expected);
});

test("forks draw answers of their own, and the same ones with a seed", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 4 });
  const session = await pair.createSession();
  await read(session, 40, 1);
  await written(session, exact(5, { temperature: 1.5 }));
  const twins = [await session.fork(), await session.fork(), await session.fork()];
  const all = [session, ...twins];
  const free = await Promise.all(all.map((of) => written(of, exact(20, { temperature: 1.5 }))));
  t.is(new Set(free.map(({ tokens }) => tokens.join())).size, 4);
  for (const twin of twins.slice(1)) await twin.dispose();

  const more = [await session.fork(), await session.fork()];
  const seeded = await Promise.all(more.map((of) => written(of, exact(20, { temperature: 1.5, seed: 7 }))));
  t.deepEqual(seeded[0], seeded[1]);
});

test("a fork waits for no stage and takes a place of its own", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2, batchSize: 1 });
  const session = await pair.createSession();
  // In so many batches that it still runs when the fork has a place.
  const reading = session.prefill(someTokens(400));
  await refusal(t, "ERR_SESSION_BUSY", session.fork());
  await reading;
  t.is(pair.metrics().sessions, 1);
  await t.throwsAsync(session.fork({ signal: AbortSignal.abort(new Error("no")) }), { message: "no" });
  t.is(pair.metrics().sessions, 1);
  const twin = await session.fork();
  t.is(pair.metrics().sessions, 2);
  await session.dispose();
  await twin.switch();
  t.is((await written(twin, exact(5))).tokens.length, 5);
  await twin.dispose();
  await refusal(t, "ERR_DISPOSED", twin.fork());
});
