/** How the next token is chosen. Log-probabilities of the raw logits tell what there was to choose from. */

import test from "ava";
import type { DecodeChunk, DecodeOptions, Session } from "../../lib/index.js";
import {
  answer,
  answerAlone,
  greedy,
  openPair,
  openSession,
  readAnswer,
  refusal,
  someTokens,
  traced,
  withoutNumbers,
} from "./fixtures.js";

const prompt = someTokens(30);
const wild = { temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 40, ignoreEos: true } as const;

const argmaxOptions: readonly (readonly [title: string, options: DecodeOptions])[] = [
  ["temperature 0", { temperature: 0 }],
  ["topK 1", { temperature: 1.5, topK: 1 }],
  ["topP 0", { temperature: 1.5, topK: 0, topP: 0 }],
  ["minP 1", { temperature: 1.5, topK: 0, topP: 1, minP: 1 }],
  ["temperature 0 with penalties that are off", { temperature: 0, repeatPenalty: 1, presencePenalty: 0 }],
];

for (const [title, options] of argmaxOptions) {
  test(`${title} is exact argmax`, async (t) => {
    const { tokens, logProbs } = await answer(await openSession(t), prompt, { ...traced(40, 3), ...options });
    t.is(tokens.length, 40);
    t.deepEqual(
      logProbs.map(({ top }) => top[0]?.token),
      [...tokens],
    );
  });
}

test("the same seed gives the same answer, another seed another, and no seed one that can be repeated", async (t) => {
  const pair = await openPair(t);
  const written = async (options: DecodeOptions) => (await answerAlone(pair, prompt, { ...wild, ...options })).tokens;
  t.deepEqual(await written({ seed: 7 }), await written({ seed: 7 }));
  t.notDeepEqual(await written({ seed: 7 }), await written({ seed: 8 }));
  t.deepEqual(await written({ seed: 2 ** 32 - 2 }), await written({ seed: 2 ** 32 - 2 }));

  const { tokens, result } = await answerAlone(pair, prompt, wild);
  t.deepEqual(await written({ seed: result.seed }), tokens);
  const seeds = new Set<number>();
  for (let i = 0; i < 4; i++) seeds.add((await answerAlone(pair, prompt, { ...wild, maxTokens: 1 })).result.seed);
  t.true(seeds.size > 1);
});

test("the result names the seed that was given, 0 included", async (t) => {
  const pair = await openPair(t);
  for (const seed of [0, 5, 2 ** 31, 2 ** 32 - 2])
    t.is((await answerAlone(pair, prompt, { ...wild, maxTokens: 1, seed })).result.seed, seed);
});

test("a high temperature leaves the likeliest tokens, a low one keeps to them", async (t) => {
  const pair = await openPair(t);
  const off = async (temperature: number) => {
    const { tokens, logProbs } = await answerAlone(pair, prompt, { ...wild, temperature, seed: 1, logProbs: 1 });
    return tokens.filter((token, i) => token !== logProbs[i]?.top[0]?.token).length;
  };
  const [cold, hot] = [await off(0.05), await off(5)];
  t.true(cold <= 4, String(cold));
  t.true(hot >= 20, String(hot));
});

test("topK, topP, minP and typicalP keep to likely tokens", async (t) => {
  const pair = await openPair(t);
  const ranks = async (options: DecodeOptions) => {
    const { tokens, logProbs } = await answerAlone(pair, prompt, { ...wild, seed: 3, logProbs: 100, ...options });
    return tokens.map((token, i) => logProbs[i]?.top.findIndex((entry) => entry.token === token) ?? -1);
  };
  const beyond = (list: number[], k: number) => list.filter((rank) => rank < 0 || rank >= k).length;
  t.true(beyond(await ranks({}), 5) > 5);
  t.is(beyond(await ranks({ topK: 5 }), 5), 0);
  const { logProbs, tokens } = await answerAlone(pair, prompt, {
    ...wild,
    seed: 3,
    logProbs: 100,
    topP: 0.5,
    temperature: 1,
  });
  for (const [i, { top }] of logProbs.entries()) {
    // Kept are those before which less than half of the probability lies.
    let before = 0;
    for (const { token, logProb } of top) {
      if (token === tokens[i]) break;
      before += Math.exp(logProb);
    }
    t.true(before < 0.5 + 1e-4);
  }
  const picked = await answerAlone(pair, prompt, { ...wild, seed: 3, logProbs: 1, minP: 0.2 });
  for (const { logProb, top } of picked.logProbs) t.true(logProb >= (top[0]?.logProb ?? 0) + Math.log(0.2) - 1e-4);
  t.notDeepEqual(await ranks({ typicalP: 0.2 }), await ranks({}));
});

test("a repeat penalty changes an answer, presence and frequency penalties too", async (t) => {
  const pair = await openPair(t);
  const written = async (options: DecodeOptions) =>
    (await answerAlone(pair, prompt, { ...greedy, maxTokens: 60, ignoreEos: true, ...options })).tokens;
  const plain = await written({});
  const variety = (tokens: readonly number[]) => new Set(tokens).size;
  for (const options of [{ repeatPenalty: 3 }, { presencePenalty: 8 }, { frequencyPenalty: 8 }]) {
    t.true(variety(await written(options)) > variety(plain), JSON.stringify(options));
    t.true(variety(await written({ ...options, repeatLastN: -1 })) > variety(plain), JSON.stringify(options));
    t.deepEqual(await written({ ...options, repeatLastN: 0 }), plain);
  }
});

test("penalties look back at the prompt", async (t) => {
  const pair = await openPair(t);
  const options = { ...greedy, maxTokens: 1, logProbs: 1 };
  const likeliest = (await answerAlone(pair, prompt, options)).tokens[0] ?? 0;
  // Now it stands in the prompt, far back but within repeatLastN.
  const repeated = [likeliest, ...prompt];
  const far = await answerAlone(pair, repeated, { ...options, presencePenalty: 100, repeatLastN: -1 });
  const near = await answerAlone(pair, repeated, { ...options, presencePenalty: 100, repeatLastN: 1 });
  t.false(repeated.includes(far.tokens[0] ?? 0));
  t.is(near.logProbs[0]?.top[0]?.token === repeated.at(-1), near.tokens[0] !== near.logProbs[0]?.top[0]?.token);
});

test("a logit bias forces a token, forbids one, and may be a map or an object", async (t) => {
  const pair = await openPair(t);
  const first = async (logitBias: NonNullable<DecodeOptions["logitBias"]>) =>
    (await answerAlone(pair, prompt, { ...greedy, maxTokens: 1, logitBias, logProbs: 2 })).tokens;
  const free = await answerAlone(pair, prompt, traced(1, 2));
  const [best = { token: 0 }, second = { token: 0 }] = free.logProbs[0]?.top ?? [];
  t.deepEqual(await first({ 77: 1e6 }), [77]);
  t.deepEqual(await first(new Map([[77, 1e6]])), [77]);
  t.deepEqual(await first({ [best.token]: Number.NEGATIVE_INFINITY }), [second.token]);
  t.deepEqual(await first({ [best.token]: -0.0001 }), [best.token]);
  // Log-probabilities are those of the raw logits, whatever the bias.
  const biased = await answerAlone(pair, prompt, { ...traced(1, 2), logitBias: { 77: 1e6 } });
  t.deepEqual(biased.logProbs[0]?.top, free.logProbs[0]?.top);
});

test("a forbidden token never comes, even at a high temperature", async (t) => {
  const pair = await openPair(t);
  const all = { ...wild, temperature: 3, seed: 4, maxTokens: 100 };
  const free = await answerAlone(pair, prompt, all);
  const forbidden = [...new Set(free.tokens)].slice(0, 20);
  const logitBias = new Map(forbidden.map((token) => [token, Number.NEGATIVE_INFINITY]));
  const { tokens } = await answerAlone(pair, prompt, { ...all, logitBias });
  t.is(tokens.length, 100);
  t.false(tokens.some((token) => logitBias.has(token)));
});

test("a bias for a token outside the vocabulary is refused, and the session goes on", async (t) => {
  const session = await openSession(t);
  await session.prefill(prompt);
  await session.switch();
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", readAnswer(session.decode({ logitBias: { 292: 1 } })));
  t.like(error.details, { parameter: "logitBias", actual: "292" });
  t.is((await readAnswer(session.decode({ ...greedy, maxTokens: 2 }))).tokens.length, 2);
});

test("where every token is forbidden, the answer is an error or an end, never a token nor an abort", async (t) => {
  const pair = await openPair(t);
  const all = Object.fromEntries(Array.from({ length: 292 }, (_, token) => [token, Number.NEGATIVE_INFINITY]));
  const outcome = async (session: Session, options: DecodeOptions) => {
    await session.prefill(prompt);
    await session.switch();
    return readAnswer(session.decode({ ...options, maxTokens: 3, logitBias: all })).then(
      ({ tokens }) => tokens.length,
      (error: { code?: unknown }) => error.code,
    );
  };
  for (const options of [greedy, { temperature: 1, seed: 1 }]) {
    await using session = await pair.createSession();
    t.is(await outcome(session, options), "ERR_INFERENCE_FAILED");
    t.is((await answer(session, prompt, traced(2))).tokens.length, 2);
  }
});

test("a model whose weights are no numbers gives an error, greedily or not, and a session that refuses again", async (t) => {
  const session = await openSession(t, { prefill: { tensorEdit: withoutNumbers } });
  for (const options of [greedy, wild, { ...greedy, grammar: "root ::= [0-9]+" }, traced(5)]) {
    await session.prefill(prompt);
    await session.switch();
    const error = await refusal(t, "ERR_INFERENCE_FAILED", readAnswer(session.decode(options)));
    t.deepEqual(error.details, { model: "prefill", position: session.stats().contextTokens });
    t.is(session.stats().decodeTokens, 0);
    await refusal(t, "ERR_INFERENCE_FAILED", session.generate(prompt, options));
  }
});

test("a decode model whose weights are no numbers ends generate after the full model's token", async (t) => {
  const session = await openSession(t, { decode: { seed: 2, tensorEdit: withoutNumbers } });
  const chunks: DecodeChunk[] = [];
  const onChunk = (chunk: DecodeChunk) => chunks.push(chunk);
  const error = await refusal(t, "ERR_INFERENCE_FAILED", session.generate(prompt, { ...traced(5), onChunk }));
  t.deepEqual(error.details, { model: "decode", position: prompt.length + 1 });
  t.is(chunks.flatMap(({ tokens }) => tokens).length, 1);
});

const further: readonly (readonly [title: string, options: DecodeOptions])[] = [
  ["DRY", { dryMultiplier: 20, dryAllowedLength: 0, drySequenceBreakers: [] }],
  ["XTC", { xtcProbability: 0.5, xtcThreshold: 0 }],
  ["top n sigma", { topNSigma: 0.5 }],
  ["dynamic temperature", { dynatempRange: 1.4, dynatempExponent: 2 }],
  ["Mirostat 1", { mirostat: 1, mirostatTau: 3 }],
  ["Mirostat 2", { mirostat: 2, mirostatTau: 3 }],
  ["another order of samplers", { samplers: ["temperature", "top_p", "top_k"], topP: 0.7 }],
];

for (const [title, options] of further) {
  test(`${title} changes an answer, which a seed repeats, in one part or in two`, async (t) => {
    const pair = await openPair(t, { maxSessions: 2 });
    const base = { temperature: 1.5, topK: 0, minP: 0, seed: 9, ignoreEos: true } as const;
    const plain = await answerAlone(pair, prompt, { ...base, maxTokens: 24 });
    const found = await answerAlone(pair, prompt, { ...base, ...options, maxTokens: 24 });
    t.notDeepEqual(found.tokens, plain.tokens);
    for (const cut of [1, 11]) {
      await using session = await pair.createSession();
      const first = await answer(session, prompt, { ...base, ...options, maxTokens: cut });
      const second = await readAnswer(session.decode({ ...base, ...options, maxTokens: 24 - cut }));
      t.deepEqual([...first.tokens, ...second.tokens], found.tokens);
    }
  });
}
