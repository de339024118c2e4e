/** Refreshes within an answer: every n tokens the prefill model reads again what the decode model wrote. */

import { setImmediate } from "node:timers/promises";
import test from "ava";
import { type DecodeOptions, loadPair, type Pair, type Session } from "../../lib/index.js";
import { lookupPair, lookupPrompt } from "../support/lookups.js";
import {
  type Answer,
  answer,
  answerAlone,
  apart,
  openPair,
  openSession,
  type PairRecipe,
  quiet,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const prompt = someTokens(90, 1);
/** Without flash attention there is float noise only. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: narrow }],
  ["a copied cache", { decode: narrow, handover: "translate" }],
  ["a cache translated to q8_0", { decode: narrow, decodeCache: { cacheTypeK: "q8_0" } }],
  ["small micro-batches", { decode: narrow, batchSize: 4 }],
  ["a recurrent state", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
  [
    "a KV cache and a recurrent state",
    { prefill: { architecture: "lfm2" }, decode: { architecture: "lfm2", seed: 2 } },
  ],
  [
    "sliding windows",
    {
      prefill: { architecture: "gemma3", nLayers: 4, slidingWindow: { window: 32, pattern: 2 } },
      decode: { architecture: "gemma3", nLayers: 4, slidingWindow: { window: 32, pattern: 2 }, ...narrow },
    },
  ],
];

/** The same answer made of stages: for every piece a session that prefills all before it, piece by piece. */
async function byHand(pair: Pair, count: number, interval: number): Promise<Pick<Answer, "tokens" | "logProbs">> {
  const tokens: number[] = [];
  const logProbs: Answer["logProbs"][number][] = [];
  while (tokens.length < count) {
    await using session = await pair.createSession();
    await session.prefill(prompt);
    for (let i = 0; i < tokens.length; i += interval) await session.prefill(tokens.slice(i, i + interval));
    await session.switch();
    const piece = await readAnswer(session.decode(traced(Math.min(interval, count - tokens.length))));
    tokens.push(...piece.tokens);
    logProbs.push(...piece.logProbs);
  }
  return { tokens, logProbs };
}

for (const [title, recipe] of recipes)
  test(`with ${title}, an answer with refreshes is what the stages by hand give`, async (t) => {
    const pair = await openPair(t, recipe);
    for (const interval of [1, 5, 16]) {
      const found = await answerAlone(pair, prompt, { ...traced(40), refreshInterval: interval });
      const expected = await byHand(pair, 40, interval);
      // The same readings in the same batches: bit-equal.
      t.deepEqual(found.tokens, expected.tokens);
      t.deepEqual(found.logProbs, expected.logProbs);
      // None after the last token.
      const refreshes = Math.ceil(40 / interval) - 1;
      t.like(found.result, {
        tokens: 40,
        refreshes,
        refreshedTokens: refreshes * interval,
        decodeSteps: 40 - refreshes - 1,
      });
      t.true(found.result.refreshMs > 0 && found.result.refreshMs <= found.result.ms);
    }
    const plain = await answerAlone(pair, prompt, traced(40));
    t.like(plain.result, { refreshes: 0, refreshedTokens: 0, refreshMs: 0 });
    t.notDeepEqual(plain.logProbs, (await byHand(pair, 40, 5)).logProbs);
  });

test("a refresh after every token writes what the prefill model writes alone, on a really pruned pair", async (t) => {
  await using full = await loadPair({ ...quiet, prefill: lookupPair.prefill });
  const expected = await answerAlone(full, lookupPrompt, traced(48));
  for (const decodeCache of [{}, { cacheTypeK: "q8_0" }] as const) {
    await using pair = await loadPair({ ...quiet, ...lookupPair, decode: { ...lookupPair.decode, ...decodeCache } });
    const found = await answerAlone(pair, lookupPrompt, { ...traced(48), refreshInterval: 1 });
    t.deepEqual(found.tokens, expected.tokens);
    t.deepEqual(found.logProbs, expected.logProbs);
    t.is(found.result.decodeSteps, 0);
    t.notDeepEqual((await answerAlone(pair, lookupPrompt, traced(48))).tokens, expected.tokens);
  }
});

test("scoring with refreshes sees what an answer with refreshes sees", async (t) => {
  for (const handover of ["share", "translate"] as const) {
    const pair = await openPair(t, { decode: narrow, handover, ...exact });
    const found = await answerAlone(pair, prompt, { ...traced(40, 1), refreshInterval: 6 });
    const scored = await pair.score(prompt, [found.tokens], { rows: [{ refreshInterval: 6 }] });
    const row = scored.responses[0]?.rows[0];
    for (const [i, { logProb }] of found.logProbs.entries())
      t.true(Math.abs(logProb - (row?.logProbs[i] ?? Number.NaN)) < 1e-4, `token ${i}`);
  }
});

test("one model writes the same with refreshes and without", async (t) => {
  for (const recipe of [{}, { decode: {} }, { decode: {}, handover: "translate" }] as const) {
    const pair = await openPair(t, { ...recipe, ...exact });
    const expected = await answerAlone(pair, prompt, traced(40, 20));
    for (const refreshInterval of [1, 7]) {
      const found = await answerAlone(pair, prompt, { ...traced(40, 20), refreshInterval });
      t.deepEqual(found.tokens, expected.tokens);
      t.true(apart(expected, found) < 1e-3);
    }
  }
});

/** Sampling whose outcome would change if anything about it began anew at a refresh. */
const sampled = {
  temperature: 1.5,
  seed: 5,
  repeatPenalty: 1.3,
  frequencyPenalty: 0.5,
  repeatLastN: -1,
  maxTokens: 40,
  ignoreEos: true,
} as const satisfies DecodeOptions;

test("sampling goes on across a refresh: seed, penalties and grammar", async (t) => {
  const pair = await openPair(t, exact);
  for (const options of [sampled, { ...sampled, grammar: 'root ::= ("a" | "b"){30,60}' }]) {
    const expected = await answerAlone(pair, prompt, options);
    const found = await answerAlone(pair, prompt, { ...options, refreshInterval: 5 });
    t.is(found.result.refreshes, 7);
    t.deepEqual(found.tokens, expected.tokens);
  }
});

test("a stop string across a refresh ends the answer, and chunks make up its text", async (t) => {
  const pair = await openPair(t, exact);
  const whole = await answerAlone(pair, prompt, {
    ...sampled,
    ignoreEos: false,
    grammar: 'root ::= "abcdefghijklmnopqrstuvwxyz0123456789"',
  });
  for (const refreshInterval of [1, 3])
    for (const stop of ["jklmnop", "qr", "9"]) {
      const options = {
        ...sampled,
        ignoreEos: false,
        grammar: 'root ::= "abcdefghijklmnopqrstuvwxyz0123456789"',
        stop,
        refreshInterval,
      };
      const found = await answerAlone(pair, prompt, options);
      t.like(found.result, { reason: "stop", stop });
      t.is(found.text, whole.text.slice(0, whole.text.indexOf(stop)));
      // The next turn reads from the cut on.
      await using session = await pair.createSession();
      await answer(session, prompt, options);
      const { contextTokens } = session.stats();
      t.like(await session.prefill(someTokens(5, 3)), { promptTokens: 5, contextTokens: contextTokens + 5 });
    }
});

test("a stop string that takes refreshed tokens back leaves a session that goes on as a fresh one", async (t) => {
  for (const handover of ["share", "translate"] as const) {
    const pair = await openPair(t, { decode: narrow, handover, ...exact, maxSessions: 2 });
    const grammar = 'root ::= "abcdefghijklmnopqrstuvwxyz"';
    const session = await pair.createSession();
    const { tokens } = await answer(session, prompt, { ...sampled, grammar, stop: "ghijklmnop", refreshInterval: 2 });
    await session.prefill(someTokens(10, 3));
    await session.switch();
    const found = await readAnswer(session.decode(traced(20, 20)));
    const expected = await answerAlone(pair, [...prompt, ...tokens, ...someTokens(10, 3)], traced(20, 20));
    t.true(apart(expected, found) < 1e-3);
  }
});

test("an answer in pieces has its refreshes where the whole has them", async (t) => {
  for (const handover of ["share", "translate"] as const) {
    const pair = await openPair(t, { decode: narrow, handover });
    const whole = await answerAlone(pair, prompt, { ...traced(40), refreshInterval: 7 });
    await using session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const pieces: Answer[] = [];
    for (const maxTokens of [3, 4, 10, 1, 22])
      pieces.push(await readAnswer(session.decode({ ...traced(maxTokens), refreshInterval: 7 })));
    t.deepEqual(
      pieces.flatMap(({ logProbs }) => logProbs),
      [...whole.logProbs],
    );
    t.is(session.stats().refreshedTokens, whole.result.refreshedTokens);
  }
});

/** Until the first token has been read again. */
async function untilRefreshing(session: Session): Promise<void> {
  while (session.stats().refreshedTokens === 0) await setImmediate();
}

test("an abort in a refresh leaves an answer that goes on as if there had been none", async (t) => {
  const recipe = {
    // Slow enough to be met in the middle, also on a busy machine.
    prefill: { nEmbd: 256, nFf: 512, nLayers: 8, contextLength: 1024 },
    decode: { ...narrow, nLayers: 8 },
    contextSize: 1024,
    batchSize: 1,
    ...exact,
  } as const satisfies PairRecipe;
  for (const handover of ["share", "translate"] as const) {
    const session = await openSession(t, { ...recipe, handover });
    await session.prefill(prompt);
    await session.switch();
    await readAnswer(session.decode(traced(300)));
    // Nothing is written before the refresh is done, so all that can be aborted is the refresh.
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = readAnswer(session.decode({ ...traced(20), refreshInterval: 300, signal: controller.signal }));
    await untilRefreshing(session);
    controller.abort(reason);
    t.is(await running.catch((error: unknown) => error), reason);
    const { refreshedTokens, stage } = session.stats();
    t.is(stage, "paused");
    t.true(refreshedTokens > 0 && refreshedTokens < 300, `${refreshedTokens}`);

    const rest = await readAnswer(session.decode({ ...traced(20, 20), refreshInterval: 300 }));
    t.is(refreshedTokens + rest.result.refreshedTokens, 300);
    const other = await openSession(t, { ...recipe, handover });
    await answer(other, prompt, traced(300));
    const expected = await readAnswer(other.decode({ ...traced(20, 20), refreshInterval: 300 }));
    t.deepEqual(rest.tokens, expected.tokens);
    t.deepEqual(rest.logProbs, expected.logProbs);

    // Without a refresh the decode model reads what it has to by itself.
    const third = await openSession(t, { ...recipe, handover });
    await answer(third, prompt, traced(300));
    const cut = new AbortController();
    const refreshing = readAnswer(third.decode({ ...traced(20), refreshInterval: 300, signal: cut.signal }));
    await untilRefreshing(third);
    cut.abort(reason);
    await refreshing.catch(() => {});
    t.is((await readAnswer(third.decode(traced(20)))).tokens.length, 20);
    t.is(third.stats().contextTokens, 90 + 300 + 20);
  }
});

test("generate takes an interval, and the session counts what was read again", async (t) => {
  const session = await openSession(t, { decode: narrow });
  const chunks: string[] = [];
  const { text, tokens, decode } = await session.generate(prompt, {
    ...traced(30),
    refreshInterval: 8,
    onChunk: (chunk) => chunks.push(chunk.text),
  });
  t.is(tokens.length, 30);
  t.is(chunks.join(""), text);
  t.like(decode, { refreshes: 3, refreshedTokens: 24, decodeSteps: 26 });
  const stats = session.stats();
  t.like(stats, { prefillTokens: 90 + 24, refreshedTokens: 24, decodeTokens: 30, decodeSteps: 26 });
  t.true(stats.decodeMs < decode.ms);
  // The last six tokens are left to the next turn's refresh.
  t.like(await session.prefill(someTokens(5, 3)), { promptTokens: 5, refreshedTokens: 6 });
});

test("an interval is a whole number of tokens", async (t) => {
  const session = await openSession(t);
  for (const refreshInterval of [0, -1, 1.5, Number.NaN]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.decode({ refreshInterval }));
    t.is(error.details.parameter, "options.refreshInterval");
  }
});
