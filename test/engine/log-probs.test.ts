import test from "ava";
import {
  type Answer,
  answer,
  answerAlone,
  greedy,
  openPair,
  openSession,
  someTokens,
  traced,
  turns,
} from "./fixtures.js";

const prompt = someTokens(30);

test("log-probabilities are sorted, natural, and of no more than one token in all", async (t) => {
  const { tokens, logProbs } = await answer(await openSession(t), prompt, {
    ...traced(20, 100),
    temperature: 1.5,
    seed: 2,
  });
  t.is(logProbs.length, tokens.length);
  for (const [i, { token, logProb, top }] of logProbs.entries()) {
    t.is(token, tokens[i] ?? -1);
    t.is(top.length, 100);
    t.is(new Set(top.map((entry) => entry.token)).size, 100);
    const sum = top.reduce((total, entry) => total + Math.exp(entry.logProb), 0);
    t.true(sum <= 1 + 1e-5 && sum > 0.9, `sum ${sum}`);
    for (const [rank, entry] of top.entries()) {
      t.true(entry.logProb <= 0);
      t.true(rank === 0 || entry.logProb <= (top[rank - 1]?.logProb ?? 0));
      if (entry.token === token) t.is(entry.logProb, logProb);
    }
  }
});

test("there are as many likeliest tokens as asked for, none with 0, and no log-probabilities unasked", async (t) => {
  const pair = await openPair(t);
  for (const logProbs of [0, 1, 7]) {
    const written = await answerAlone(pair, prompt, { ...greedy, maxTokens: 3, logProbs });
    t.deepEqual(
      written.logProbs.map(({ top }) => top.length),
      [logProbs, logProbs, logProbs],
    );
    t.true(written.logProbs.every(({ logProb }) => logProb < 0));
  }
  const { chunks } = await answerAlone(pair, prompt, { ...greedy, maxTokens: 3 });
  t.true(chunks.length > 0);
  t.true(chunks.every((chunk) => !("logProbs" in chunk)));
});

test("each chunk has one row of log-probabilities a token", async (t) => {
  const { chunks } = await answer(await openSession(t), prompt, {
    ...traced(60, 2),
    temperature: 1.5,
    seed: 3,
    topK: 0,
  });
  for (const { tokens, logProbs } of chunks)
    t.deepEqual(
      (logProbs ?? []).map(({ token }) => token),
      [...tokens],
    );
});

test("chunks carry their log-probabilities however slowly they are read, and past a stop string", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const options = { ...traced(60, 2), temperature: 1.5, seed: 3, topK: 0 };
  const whole = await answerAlone(pair, prompt, options);
  // Text that may become a stop string is held back, and comes with later tokens.
  const { token } = whole.logProbs[30] ?? { token: 0 };
  for (const stop of [undefined, pair.detokenize([token])]) {
    await using session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const rows: Answer["logProbs"][number][] = [];
    const sizes: number[] = [];
    for await (const { tokens, logProbs = [] } of session.decode({ ...options, ...(stop !== undefined && { stop }) })) {
      t.deepEqual(
        logProbs.map((row) => row.token),
        [...tokens],
      );
      rows.push(...logProbs);
      sizes.push(tokens.length);
      if (sizes.length % 2 === 1) await turns(pair, 10);
    }
    t.true(Math.max(...sizes) > 1, sizes.join());
    t.true(stop === undefined ? rows.length === 60 : rows.length > 0);
    t.deepEqual(rows, whole.logProbs.slice(0, rows.length));
  }
});

test("log-probabilities do not change the answer", async (t) => {
  const pair = await openPair(t);
  const options = { temperature: 1.2, seed: 11, maxTokens: 40, ignoreEos: true };
  const plain = await answerAlone(pair, prompt, options);
  t.deepEqual((await answerAlone(pair, prompt, { ...options, logProbs: 10 })).tokens, plain.tokens);
});
