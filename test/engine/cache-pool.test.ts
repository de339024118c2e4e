/** Sessions that share one pool of cells (`cacheTokens`): who is put aside when it is full, who waits, and what it changes. */

import test from "ava";
import type { DecodeChunk, DecodeOptions, Pair, ScoreResult, Session } from "../../lib/index.js";
import {
  apart,
  kindsOfPairs,
  narrower,
  openPair,
  type PairRecipe,
  readAnswer,
  refusal,
  someTokens,
  traced,
  type Written,
} from "./fixtures.js";

const decode = narrower;
const attention = kindsOfPairs.filter(([title]) => title !== "mamba");

/** Room for one session. */
const pool = { contextSize: 512, cacheTokens: 512 } as const satisfies PairRecipe;
/**
 * Where a session's tokens lie in a pool decides in which order sums are added. So little comes of it in 32 bits, and
 * without the kernels of flash attention, that nothing else can hide behind it.
 */
const precise = { ...pool, cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const satisfies PairRecipe;
const close = 1e-4;

const exact = (maxTokens: number, options: DecodeOptions = {}) =>
  ({ ...traced(maxTokens, 10), deterministic: true, ...options }) as const satisfies DecodeOptions;

async function written(session: Session, options: DecodeOptions): Promise<Written> {
  const { tokens, logProbs } = await readAnswer(session.decode(options));
  return { tokens, logProbs };
}

async function turn(session: Session, prompt: number, seed: number, options: DecodeOptions): Promise<Written> {
  await session.prefill(someTokens(prompt, seed), { deterministic: true });
  await session.switch();
  return written(session, options);
}

/** A conversation of 400 tokens. */
async function converse(session: Session, which: number, options: DecodeOptions = {}): Promise<Written[]> {
  return [
    await turn(session, 150 + which, which, exact(60, options)),
    await turn(session, 100, 10 + which, exact(80, options)),
  ];
}

async function alone(pair: Pair, which: number, options: DecodeOptions = {}): Promise<Written[]> {
  await using session = await pair.createSession();
  return await converse(session, which, options);
}

for (const [title, recipe] of kindsOfPairs) {
  test(`sessions that do not fit together write what each writes alone (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, ...precise, maxSessions: 4 });
    t.is(pair.info.contextSize, 512);
    t.is(pair.info.cacheTokens, 512);
    const all = await Promise.all([0, 1, 2, 3].map(async (which) => converse(await pair.createSession(), which)));
    if (title !== "mamba") t.true(pair.metrics().putAside.times > 0);
    const single = await openPair(t, { ...recipe, ...precise, maxSessions: 1 });
    for (const [which, together] of all.entries())
      for (const [i, expected] of (await alone(single, which)).entries()) {
        const found = together[i] as Written;
        t.is(found.tokens.length, expected.tokens.length);
        t.true(apart(expected, found) < close, `${which}, ${i}: ${apart(expected, found)}`);
      }
  });

  test(`idle sessions are put aside and go on as if they had not been (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, ...pool, maxSessions: 3 });
    const session = await pair.createSession();
    const first = await turn(session, 150, 0, exact(60));
    const other = await pair.createSession();
    await turn(other, 350, 5, exact(60));
    if (title !== "mamba") t.deepEqual(pair.metrics().putAside, { sessions: 1, times: 1 });
    const then = await goOn(session);
    t.is(pair.metrics().putAside.sessions, title === "mamba" ? 0 : 1);

    const single = await openPair(t, { ...recipe, ...pool, maxSessions: 1 });
    const undisturbed = await single.createSession();
    t.deepEqual(first, await turn(undisturbed, 150, 0, exact(60)));
    t.deepEqual(then, await goOn(undisturbed));
  });
}

/** The answer goes on; then the prefill model reads it again, which goes back to its beginning. */
async function goOn(session: Session): Promise<Written[]> {
  return [await written(session, exact(20)), await turn(session, 20, 7, exact(30))];
}

for (const [title, recipe] of attention)
  test(`running answers wait for each other, and none fails (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, ...precise, maxSessions: 4 });
    const sessions = await Promise.all([0, 1, 2, 3].map(() => pair.createSession()));
    for (const [which, session] of sessions.entries()) {
      await session.prefill(someTokens(80, which));
      await session.switch();
    }
    // They begin in one pool and grow until one alone fills it.
    const all = await Promise.all(sessions.map((session) => written(session, traced(400, 10))));
    const single = await openPair(t, { ...recipe, ...precise, maxSessions: 1 });
    for (const [which, found] of all.entries()) {
      t.is(found.tokens.length, 400);
      await using session = await single.createSession();
      const expected = await turn(session, 80, which, traced(400, 10));
      t.true(apart(expected, found) < close, `${which}: ${apart(expected, found)}`);
    }
    t.is(pair.metrics().tasks.waitingForReader, 0);
  });

test("forks of a long prompt share its cells", async (t) => {
  const pair = await openPair(t, { decode, ...precise, maxSessions: 5 });
  const session = await pair.createSession();
  await session.prefill(someTokens(400), { deterministic: true });
  await session.switch();
  const twins = [await session.fork(), await session.fork(), await session.fork(), await session.fork()] as const;
  const all = await Promise.all([session, ...twins].map((of) => written(of, exact(20))));
  t.is(pair.metrics().putAside.times, 0);
  for (const found of all) t.true(apart(all[0] as Written, found) < close);
  // Put aside, each has a copy of its own, which does not fit beside another's.
  await twins[0].prefill(someTokens(50, 2));
  for (const twin of twins.slice(1)) t.is((await written(twin, exact(40))).tokens.length, 40);
  t.true(pair.metrics().putAside.times > 0);
  t.like(twins[3].stats(), { stage: "paused", contextTokens: 460 });
});

test("a fork of a session that was put aside has all of it", async (t) => {
  const pair = await openPair(t, { decode, ...pool, maxSessions: 3 });
  const session = await pair.createSession();
  await turn(session, 150, 0, exact(60));
  const other = await pair.createSession();
  await turn(other, 350, 5, exact(20));
  t.is(pair.metrics().putAside.sessions, 1);
  const twin = await session.fork();
  t.is(pair.metrics().putAside.sessions, 1);
  t.deepEqual(await written(twin, exact(20)), await written(session, exact(20)));
});

test("an abort and a disposal end a session that waits for room or was put aside", async (t) => {
  const pair = await openPair(t, { decode, ...pool, maxSessions: 4 });
  const open = () => pair.createSession();
  const [first, second, third, fourth] = [await open(), await open(), await open(), await open()];
  await turn(fourth, 60, 4, exact(10));
  await first.prefill(someTokens(300));
  await first.switch();
  await second.prefill(someTokens(60));
  await second.switch();
  const controller = new AbortController();
  const reason = new Error("enough");
  const waiting: Promise<unknown>[] = [];
  let n = 0;
  for await (const chunk of first.decode(exact(200))) {
    // What came later has no right to the cells of this answer.
    if (n === 0) {
      waiting.push(written(second, exact(400, { signal: controller.signal })));
      waiting.push(third.prefill(someTokens(400), { signal: controller.signal }));
      for (const end of waiting) end.catch(() => {});
      // Long enough for them to begin, and too short to end where they found room all the same.
      await new Promise(setImmediate);
      controller.abort(reason);
    }
    n += chunk.tokens.length;
  }
  t.is(n, 200);
  for (const end of waiting) await t.throwsAsync(end, { is: reason });
  for (const session of [fourth, second, third, first]) await session.dispose();
  t.is(pair.metrics().putAside.sessions, 0);
  // What they held is free.
  await using last = await pair.createSession();
  t.is((await turn(last, 400, 1, exact(50))).tokens.length, 50);
});

test("an answer whose reader is slow gives way to a session that came later", async (t) => {
  const pair = await openPair(t, { decode, ...precise, contextSize: 1024, cacheTokens: 1024, maxSessions: 2 });
  const [slow, quick] = (await Promise.all([0, 1].map(() => pair.createSession()))) as [Session, Session];
  await slow.prefill(someTokens(100), { deterministic: true });
  await slow.switch();
  const chunks: DecodeChunk[] = [];
  for await (const chunk of slow.decode(exact(700))) {
    chunks.push(chunk);
    if (chunks.length > 1) continue;
    // Both together are more than the pool, and the reader takes nothing until the other is done.
    t.is((await turn(quick, 700, 1, exact(300))).tokens.length, 300);
    t.is(pair.metrics().putAside.sessions, 1);
  }
  const tokens = chunks.flatMap((chunk) => chunk.tokens);
  const logProbs = chunks.flatMap((chunk) => chunk.logProbs ?? []);
  const single = await openPair(t, { decode, ...precise, contextSize: 1024, cacheTokens: 1024 });
  const expected = await turn(await single.createSession(), 100, 1, exact(700));
  t.is(tokens.length, 700);
  t.true(apart(expected, { tokens, logProbs }) < close);
});

for (const [title, recipe] of kindsOfPairs)
  test(`refreshes and scores find room as well (${title})`, async (t) => {
    const open = (maxSessions: number) => openPair(t, { ...recipe, ...precise, maxSessions });
    const rows = [{ refreshInterval: 16 }, "two-stage", "decode"] as const;
    const refreshed = exact(200, { refreshInterval: 24 });
    const work = (pair: Pair) =>
      [
        async () => turn(await pair.createSession(), 120, 1, refreshed),
        async () => turn(await pair.createSession(), 140, 2, refreshed),
        async () => pair.score(someTokens(200, 3), [someTokens(100, 4), someTokens(60, 5)], { rows }),
      ] as const;
    const [first, second, score] = work(await open(3));
    const together = await Promise.all([first(), second(), score()]);
    const apartFromOthers = work(await open(3));
    const expected = [await apartFromOthers[0](), await apartFromOthers[1](), await apartFromOthers[2]()] as const;
    for (const i of [0, 1] as const) {
      t.is(together[i].tokens.length, 200);
      t.true(apart(expected[i], together[i]) < close, `${i}: ${apart(expected[i], together[i])}`);
    }
    const scores = ({ responses }: ScoreResult) =>
      responses.flatMap((response) => response.rows.flatMap((row) => Array.from(row.logProbs)));
    const found = scores(together[2]);
    for (const [i, logProb] of scores(expected[2]).entries())
      t.true(Math.abs(logProb - (found[i] ?? Number.NaN)) < close, `score ${i}`);
  });

test("a pool is at least one session's, and refused where cells cannot be shared", async (t) => {
  const small = await openPair(t, { decode, contextSize: 500, cacheTokens: 1, maxSessions: 2 });
  t.like(small.info, { contextSize: 512, cacheTokens: 512 });
  const large = await openPair(t, { decode, contextSize: 500, cacheTokens: 1000, maxSessions: 8 });
  t.like(large.info, { contextSize: 512, cacheTokens: 1024 });
  t.is(large.info.kvBytes, 2 * small.info.kvBytes);
  const apiece = await openPair(t, { decode, contextSize: 500, maxSessions: 3 });
  t.like(apiece.info, { contextSize: 512, cacheTokens: 3 * 512 });
  t.deepEqual(apiece.metrics().putAside, { sessions: 0, times: 0 });
  await refusal(t, "ERR_INVALID_ARGUMENT", openPair(t, { cacheTokens: 0 }));
  const sliding = { architecture: "gemma3" } as const;
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", openPair(t, { prefill: sliding, cacheTokens: 4096 }));
  t.is(error.details.parameter, "cacheTokens");
});
