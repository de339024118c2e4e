/** Refreshes within an answer: every n tokens the prefill model reads again what was written, and writes the next token. */

import test from "ava";
import { demoPair, loadPair, type Session } from "../../lib/index.js";
import { lookups } from "../support/lookups.js";
import {
  answer,
  answerAlone,
  distance,
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

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: narrow }],
  ["a copied cache", { decode: narrow, handover: "translate" }],
  ["a translated cache", { decode: narrow, decodeCache: { cacheTypeK: "q8_0" } }],
  ["small micro-batches", { decode: narrow, batchSize: 4 }],
];

/** What an interval should do, by hand: an answer that is cut, and a prefill of nothing but its last token. */
async function refreshedByHand(session: Session, interval: number, count: number) {
  await session.prefill(prompt);
  await session.switch();
  const logProbs: Awaited<ReturnType<typeof readAnswer>>["logProbs"][number][] = [];
  const tokens: number[] = [];
  while (tokens.length < count) {
    const part = await readAnswer(session.decode(traced(Math.min(interval, count - tokens.length))));
    tokens.push(...part.tokens);
    logProbs.push(...part.logProbs);
    // Another session reads it all anew: the end of the answer is the end of the prompt.
    await session.dispose();
    session = await session.pair.createSession();
    await session.prefill([...prompt, ...tokens]);
    await session.switch();
  }
  return { tokens, logProbs };
}

for (const [title, recipe] of recipes) {
  test(`with ${title} every n tokens are read again and the cache is handed over again`, async (t) => {
    const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
    const pair = await openPair(t, { ...(recipe.decodeCache ? {} : exact), ...recipe, maxSessions: 2 });
    const refreshed = await answerAlone(pair, prompt, { ...traced(20), refreshInterval: 6 });
    t.like(refreshed.result, { tokens: 20, refreshes: 3, refreshedTokens: 18, decodeSteps: 16, reason: "length" });
    const expected = await refreshedByHand(await pair.createSession(), 6, 20);
    t.deepEqual(refreshed.tokens, expected.tokens);
    // Read in other micro-batches than in one prefill: not the same bits.
    for (const [i, step] of refreshed.logProbs.entries())
      t.true(distance(step, expected.logProbs[i]) < (recipe.decodeCache ? 0.05 : 1e-3), `token ${i}`);

    const plain = await answerAlone(pair, prompt, traced(20));
    t.like(plain.result, { refreshes: 0, refreshedTokens: 0 });
    t.notDeepEqual(plain.tokens, refreshed.tokens, "the models differ, so that a refresh can be seen");
  });

  test(`with ${title} an interval of 1 gives the prefill model's own answer`, async (t) => {
    const pair = await openPair(t, recipe);
    const { tokens, result } = await answerAlone(pair, prompt, { ...traced(30), refreshInterval: 1 });
    t.like(result, { refreshes: 29, decodeSteps: 0 });
    const alone = await answerAlone(await openPair(t, { ...recipe, decode: undefined }), prompt, traced(30));
    t.deepEqual(tokens, alone.tokens);
  });

  test(`with ${title} an answer that is refreshed can be left, taken back and gone on with`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 2 });
    const options = { ...traced(24), refreshInterval: 5 };
    const whole = await answerAlone(pair, prompt, options);
    const session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const read: number[] = [];
    for await (const chunk of session.decode({ ...options, maxTokens: 200 })) {
      read.push(...chunk.tokens);
      if (read.length >= 7) break;
    }
    t.is(session.stats().contextTokens, prompt.length + read.length);
    const rest = await readAnswer(session.decode({ ...options, maxTokens: 24 }));
    t.deepEqual([...read, ...rest.tokens].slice(0, 5), whole.tokens.slice(0, 5));
    // The next turn begins from what stands, whoever wrote it.
    const report = await session.prefill([50, 51]);
    t.true(report.refreshedTokens < read.length + rest.tokens.length);
    t.is(report.contextTokens, prompt.length + read.length + rest.tokens.length + 2);
  });
}

test("of one model, an answer with refreshes is the answer without", async (t) => {
  const pair = await openPair(t);
  const plain = await answerAlone(pair, prompt, traced(40));
  const refreshed = await answerAlone(pair, prompt, { ...traced(40), refreshInterval: 7 });
  t.deepEqual(refreshed.tokens, plain.tokens);
});

test("stop strings and sampling go on across refreshes", async (t) => {
  const pair = await loadPair({ ...demoPair, ...quiet });
  t.teardown(() => pair.dispose());
  const [lookup] = lookups(4, { count: 1 });
  const question = lookup?.prompt ?? "";
  const whole = await answerAlone(pair, question, { temperature: 0, refreshInterval: 1 });
  t.is(whole.text, lookup?.answer);
  const stop = whole.text.slice(whole.text.indexOf(" ", 1) - 1, whole.text.indexOf(" ", 1) + 2);
  const cut = await answerAlone(pair, question, { temperature: 0, refreshInterval: 1, stop });
  t.is(cut.result.reason, "stop");
  t.is(cut.text, whole.text.slice(0, whole.text.indexOf(stop)));

  // A sampler begun anew at a refresh would draw the same again.
  const sampled = { temperature: 5, topK: 0, topP: 1, minP: 0, seed: 3, maxTokens: 12, ignoreEos: true };
  const { tokens } = await answerAlone(pair, question, { ...sampled, refreshInterval: 1 });
  t.true(new Set(tokens).size > 4);
});

test("a session's totals count refreshes, and generate takes an interval", async (t) => {
  const session = await openSession(t, { decode: narrow });
  const { decode } = await session.generate(prompt, { ...traced(13), refreshInterval: 4 });
  t.like(decode, { tokens: 13, refreshes: 3, refreshedTokens: 12 });
  t.like(session.stats(), { prefillTokens: 102, refreshedTokens: 12, decodeTokens: 13, stage: "paused" });
});

test("an abort during a refresh leaves an answer that goes on", async (t) => {
  const pair = await openPair(t, { decode: narrow, batchSize: 1, contextSize: 512 });
  const session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const abort = new AbortController();
  const read: number[] = [];
  const reading = (async () => {
    for await (const chunk of session.decode({ ...traced(400), refreshInterval: 40, signal: abort.signal })) {
      read.push(...chunk.tokens);
      if (read.length >= 40) abort.abort(new Error("enough"));
    }
  })();
  await t.throwsAsync(reading, { message: "enough" });
  t.is(session.stats().stage, "paused");
  const rest = await readAnswer(session.decode({ ...traced(10), refreshInterval: 40 }));
  t.is(rest.tokens.length, 10);
  t.is(session.stats().contextTokens, prompt.length + read.length + 10);
});

for (const refreshInterval of [0, -1, 1.5, Number.NaN])
  test(`a refresh interval of ${refreshInterval} is refused`, async (t) => {
    const session = await openSession(t);
    await refusal(t, "ERR_INVALID_ARGUMENT", session.generate(prompt, { refreshInterval }));
  });
