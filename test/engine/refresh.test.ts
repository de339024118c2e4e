/** A prefill after an answer: the prefill model reads again what the decode model wrote, or keeps its cells. */

import test from "ava";
import { loadPair } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import {
  answer,
  distance,
  greedy,
  openPair,
  openSession,
  type PairRecipe,
  quiet,
  readAnswer,
  someTokens,
  traced,
} from "./fixtures.js";

const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const first = someTokens(90, 1);
const second = someTokens(25, 2);

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: narrow }],
  ["a copied cache", { decode: narrow, handover: "translate" }],
  ["a shared q8_0 cache", { decode: narrow, cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["a shared cache without flash attention", { decode: narrow, flashAttention: false }],
  ["small micro-batches", { decode: narrow, batchSize: 16 }],
];

for (const [title, recipe] of recipes) {
  test(`after a refresh with ${title}, the session goes on as if the prefill model had read everything`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 2 });
    const session = await pair.createSession();
    const { tokens } = await answer(session, first, traced(40));
    const report = await session.prefill(second);
    t.like(report, { promptTokens: 25, refreshedTokens: 40, contextTokens: 155 });
    await session.switch();
    const refreshed = await readAnswer(session.decode(traced(20)));

    // The same tokens, with the batches split in the same places: bit-equal.
    const fresh = await pair.createSession();
    await fresh.prefill(first);
    await fresh.prefill([...tokens, ...second]);
    await fresh.switch();
    const expected = await readAnswer(fresh.decode(traced(20)));
    t.deepEqual(refreshed.logProbs, expected.logProbs);
  });
}

test("after a refresh the next log-probabilities are those of one prefill of all tokens, within 1e-4", async (t) => {
  const pair = await openPair(t, {
    decode: narrow,
    cacheTypeK: "f32",
    cacheTypeV: "f32",
    flashAttention: false,
    maxSessions: 2,
  });
  const session = await pair.createSession();
  const { tokens } = await answer(session, first, traced(40));
  await session.prefill(second);
  await session.switch();
  const { logProbs } = await readAnswer(session.decode(traced(1, 20)));
  const fresh = await answer(await pair.createSession(), [...first, ...tokens, ...second], traced(1, 20));
  t.true(distance(logProbs[0], fresh.logProbs[0]) < 1e-4);
});

test("without a refresh the decode model's cells stay, and the answer differs", async (t) => {
  const goOn = async (refresh: boolean) => {
    const session = await openSession(t, { decode: narrow });
    await answer(session, first, traced(40));
    const report = await session.prefill(second, { refresh });
    t.is(report.refreshedTokens, refresh ? 40 : 0);
    t.is(report.contextTokens, 155);
    t.is(session.stats().refreshedTokens, refresh ? 40 : 0);
    // The last token that was written had not been read by anyone yet, so the prefill model reads it in both cases.
    t.is(session.stats().prefillTokens, 90 + (refresh ? 40 : 1) + 25);
    await session.switch();
    return (await readAnswer(session.decode(traced(10)))).logProbs;
  };
  t.notDeepEqual(await goOn(false), await goOn(true));
});

test("a refresh after a turn without one begins where the decode model's cells begin", async (t) => {
  const session = await openSession(t, { decode: narrow });
  await answer(session, first, traced(10));
  await session.prefill(second, { refresh: false });
  await session.switch();
  await readAnswer(session.decode(traced(5)));
  const report = await session.prefill(second);
  t.is(report.refreshedTokens, 10 + 25 + 5);
});

test("a second prefill in a row has nothing to refresh", async (t) => {
  const session = await openSession(t, { decode: narrow });
  await session.prefill(first);
  t.like(await session.prefill(second), { promptTokens: 25, refreshedTokens: 0, contextTokens: 115 });
  t.like(session.stats(), { stage: "prefilled", prefillTokens: 115, refreshedTokens: 0 });
});

test("on a trained pair, too, a kept cache and a refreshed one differ", async (t) => {
  const [one, two] = lookups(7, { count: 2, rows: 8 });
  await using pair = await loadPair({ ...quiet, ...lookupPair });
  const nextTurn = async (refresh: boolean) => {
    await using session = await pair.createSession();
    await answer(session, one?.prompt ?? "", { ...greedy, maxTokens: 8 });
    await session.prefill(two?.prompt ?? "", { refresh });
    await session.switch();
    return await readAnswer(session.decode({ ...greedy, maxTokens: 8, logProbs: 5 }));
  };
  t.notDeepEqual((await nextTurn(false)).logProbs, (await nextTurn(true)).logProbs);
});
