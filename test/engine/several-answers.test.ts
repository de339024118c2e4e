/** Several answers to one prompt: read once, written at once as far as places are free. */

import test from "ava";
import { answerAlone, openPair, refusal, someTokens, traced } from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const prompt = someTokens(40);
const drawn = { ...traced(20), temperature: 1.5, seed: 11, deterministic: true } as const;

for (const maxSessions of [1, 2, 4, 8])
  test(`four answers on ${maxSessions} places are those of four seeds, and the session goes on with the first`, async (t) => {
    const pair = await openPair(t, { decode, maxSessions });
    const expected: (readonly number[])[] = [];
    for (const i of [0, 1, 2, 3]) expected.push((await answerAlone(pair, prompt, { ...drawn, seed: 11 + i })).tokens);
    const session = await pair.createSession();
    const before = pair.metrics();
    const result = await session.generate(prompt, { ...drawn, n: 4 });
    t.deepEqual(
      result.answers.map(({ tokens }) => tokens),
      expected,
    );
    t.deepEqual(
      result.answers.map((answer) => answer.decode.seed),
      [11, 12, 13, 14],
    );
    t.is(result.answers[0]?.text, result.text);
    t.is(pair.metrics().prefillTokens - before.prefillTokens, 40);
    t.is(pair.metrics().sessions, 1);

    // The session holds the first answer and nothing of the others.
    const next = await session.generate(someTokens(10, 3), drawn);
    t.is(next.prefill.contextTokens, 40 + 20 + 10);
    await session.dispose();
    await using single = await pair.createSession();
    await single.generate(prompt, drawn);
    t.deepEqual((await single.generate(someTokens(10, 3), drawn)).tokens, next.tokens);
  });

test("without a seed the answers differ, and chunks tell which one they are of", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 3 });
  await using session = await pair.createSession();
  const texts = ["", "", ""];
  const { answers } = await session.generate(prompt, {
    temperature: 1.5,
    ignoreEos: true,
    maxTokens: 20,
    n: 3,
    onChunk: ({ text }, answer) => {
      texts[answer] += text;
    },
  });
  t.deepEqual(
    texts,
    answers.map(({ text }) => text),
  );
  t.is(new Set(texts).size, 3);
});

test("an answer that fails ends the others, and all places come back", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 4 });
  await using session = await pair.createSession();
  const long = { ...traced(400), n: 4 };
  const error = new Error("enough");
  await t.throwsAsync(
    session.generate(prompt, {
      ...long,
      onChunk: (_chunk, answer) => {
        if (answer === 2) throw error;
      },
    }),
    { is: error },
  );
  t.is(pair.metrics().sessions, 1);
  const abort = new AbortController();
  const running = session.generate(prompt, { ...long, signal: abort.signal, onChunk: () => abort.abort(error) });
  await t.throwsAsync(running, { is: error });
  t.is(pair.metrics().sessions, 1);
  await refusal(t, "ERR_INVALID_ARGUMENT", session.generate(prompt, { n: 0 }));
  t.is((await session.generate(prompt, { ...traced(5), n: 2 })).answers.length, 2);
});

test("answers that end before their first token are written one after the other too", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 1 });
  await using session = await pair.createSession();
  const [eos = 0] = pair.tokenize("<|end_of_text|>", { parseSpecial: true });
  const { answers } = await session.generate(prompt, { n: 3, logitBias: { [eos]: Number.POSITIVE_INFINITY } });
  t.deepEqual(
    answers.map(({ tokens, decode: { reason } }) => [tokens.length, reason]),
    [
      [0, "eos"],
      [0, "eos"],
      [0, "eos"],
    ],
  );
  t.is(session.stats().stage, "ended");
});
