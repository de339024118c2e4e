/** Stop strings: they end the answer exactly before them, however they are cut into tokens, and never show. */

import test from "ava";
import fc from "fast-check";
import type { Pair } from "../../lib/index.js";
import { type Answer, answer, answerAlone, greedy, openPair, openSession, readAnswer } from "./fixtures.js";

/** Forbids every token that is not plain ASCII, so that one character is one byte. */
function asciiOnly(pair: Pair): Record<number, number> {
  const bias: Record<number, number> = {};
  for (let token = 0; token < pair.info.prefill.vocabularySize; token++)
    if (!/^[ -~]+$/.test(pair.detokenize([token]))) bias[token] = Number.NEGATIVE_INFINITY;
  return bias;
}

/** Where a text must end: with the first token that completes a stop string, before the earliest one that is complete. */
function expectedEnd(pair: Pair, tokens: readonly number[], stops: readonly string[]): { at: number; nTokens: number } {
  let text = "";
  for (const [i, token] of tokens.entries()) {
    text += pair.detokenize([token]);
    const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) return { at: Math.min(...found), nTokens: i + 1 };
  }
  return { at: text.length, nTokens: tokens.length };
}

test("for any stop strings, the answer ends exactly before the first that comes", async (t) => {
  const pair = await openPair(t);
  const logitBias = asciiOnly(pair);
  const length = 60;
  const whole = new Map<number, Answer>();
  const options = (seed: number) => ({ temperature: 1, topK: 0, seed, maxTokens: length, logitBias });
  for (let seed = 0; seed < 6; seed++) whole.set(seed, await answerAlone(pair, "Once upon a time", options(seed)));
  t.true([...whole.values()].every(({ text }) => text.length >= length));

  const stopsOf = (text: string) =>
    fc.array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc
            .tuple(fc.nat(text.length - 1), fc.integer({ min: 1, max: 12 }))
            .map(([at, size]) => text.slice(at, at + size)),
        },
        // Nearly one that comes: held back for a while, then shown after all.
        { weight: 1, arbitrary: fc.nat(text.length - 6).map((at) => `${text.slice(at, at + 5)}\u0001`) },
      ),
      { minLength: 1, maxLength: 3 },
    );
  const runs = fc.nat(5).chain((seed) => fc.tuple(fc.constant(seed), stopsOf(whole.get(seed)?.text ?? "")));
  await fc.assert(
    fc.asyncProperty(runs, async ([seed, stop]) => {
      const { text: full, tokens: all } = whole.get(seed) as Answer;
      const { at, nTokens } = expectedEnd(pair, all, stop);
      await using session = await pair.createSession();
      const { text, tokens, result } = await answer(session, "Once upon a time", { ...options(seed), stop });
      const stopped = at < full.length;
      const ok =
        text === full.slice(0, at) &&
        result.reason === (stopped ? "stop" : "length") &&
        (!stopped || (stop.includes(result.stop ?? "") && full.startsWith(result.stop ?? "", at))) &&
        // Tokens that begin before the stop string stay, the others are gone from the session as well.
        tokens.length <= nTokens &&
        tokens.every((token, i) => token === all[i]) &&
        pair.detokenize(tokens).startsWith(text) &&
        pair.detokenize(tokens.slice(0, -1)).length <= at &&
        result.tokens === tokens.length &&
        session.stats().decodeTokens === tokens.length;
      if (!ok) throw new Error(`${JSON.stringify({ stop, at, full, text, result, tokens: tokens.length, nTokens })}`);
    }),
    { numRuns: 120 },
  );
  t.pass();
});

test("a stop string of many bytes is found among tokens of one byte each", async (t) => {
  const session = await openSession(t);
  const grammar = 'root ::= "ab🙂cd👩‍🚀ef"';
  const { text, result } = await answer(session, "x", { ...greedy, grammar, stop: ["👩‍🚀"] });
  t.is(text, "ab🙂cd");
  t.like(result, { reason: "stop", stop: "👩‍🚀" });
});

test("what only looks like the beginning of a stop string is shown in the end", async (t) => {
  const pair = await openPair(t);
  const grammar = 'root ::= "aaaaaab"';
  t.is((await answerAlone(pair, "x", { ...greedy, grammar, stop: ["aab"] })).text, "aaaa");
  t.like(await answerAlone(pair, "x", { ...greedy, grammar, stop: ["aac", "bb", "b\n"] }), { text: "aaaaaab" });
});

test("of several stop strings the one that comes first wins, and the result names it", async (t) => {
  const pair = await openPair(t);
  const grammar = 'root ::= "one two three"';
  const stopped = async (stop: string[]) => {
    const { text, result } = await answerAlone(pair, "x", { ...greedy, grammar, stop });
    return [text, result.stop];
  };
  t.deepEqual(await stopped(["three", "two"]), ["one ", "two"]);
  t.deepEqual(await stopped(["three", "e t"]), ["on", "e t"]);
  t.deepEqual(await stopped(["four", "hr"]), ["one two t", "hr"]);
});

test("a stop string at the very first token gives an empty answer, and the session goes on with the next turn", async (t) => {
  const session = await openSession(t);
  const [token = 0] = session.tokenize("a");
  const { text, tokens, chunks, result } = await answer(session, "x", {
    ...greedy,
    stop: "a",
    logitBias: { [token]: 1e6 },
  });
  t.deepEqual({ text, tokens, chunks }, { text: "", tokens: [], chunks: [] });
  t.like(result, { reason: "stop", stop: "a", tokens: 0 });
  t.like(session.stats(), { stage: "ended", decodeTokens: 0, contextTokens: 2 });
  t.is((await answer(session, "y", { ...greedy, maxTokens: 3 })).tokens.length, 3);
});

test("after a stop the session holds the answer up to it, and no more", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const [session, other] = [await pair.createSession(), await pair.createSession()];
  const grammar = 'root ::= "hello STOP and more"';
  const first = await answer(session, "x", { ...greedy, grammar, stop: ["STOP"] });
  t.is(first.text, "hello ");
  await session.prefill("next");
  await session.switch();
  await other.prefill(pair.tokenize("x", { addSpecial: true }));
  await other.prefill([...first.tokens, ...pair.tokenize("next")]);
  await other.switch();
  const options = { ...greedy, maxTokens: 10, logProbs: 5 };
  const [going, fresh] = [await readAnswer(session.decode(options)), await readAnswer(other.decode(options))];
  t.deepEqual(going.logProbs, fresh.logProbs);
});

test("with log-probabilities, a stopped answer has one row a token", async (t) => {
  const session = await openSession(t);
  const grammar = 'root ::= "hello STOP and more"';
  const { tokens, logProbs } = await answer(session, "x", { ...greedy, grammar, stop: ["STOP"], logProbs: 1 });
  t.deepEqual(
    logProbs.map(({ token }) => token),
    [...tokens],
  );
});

test("a stop string that is a control token's text ends the answer before that token", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const [bos = 0] = pair.tokenize("", { addSpecial: true });
  const mark = pair.detokenize([bos], { special: true });
  const options = { ...greedy, logitBias: { [bos]: 1e6 }, stop: mark, maxTokens: 5 };
  for (const special of [false, true]) {
    const { text, tokens, result } = await answer(await pair.createSession(), "the cat", { ...options, special });
    t.deepEqual([text, tokens, result.reason, result.stop], ["", [], "stop", mark]);
  }
});
