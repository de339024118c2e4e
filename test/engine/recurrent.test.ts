/** Models whose memory cannot be cut at a token: what going back costs, and what it is refused for. */

import test from "ava";
import type { Session } from "../../lib/index.js";
import { answer, answerAlone, apart, openPair, openSession, refusal, someTokens, traced } from "./fixtures.js";

const models = ["mamba", "lfm2"] as const;
const prompt = someTokens(60);

/** Reads an answer as far as so many tokens and leaves it. */
async function leaveAfter(session: Session, count: number): Promise<number[]> {
  const tokens: number[] = [];
  for await (const chunk of session.decode(traced(100))) {
    tokens.push(...chunk.tokens);
    if (tokens.length >= count) break;
  }
  return tokens;
}

for (const architecture of models) {
  const pairOf = { prefill: { architecture }, decode: { architecture, seed: 2 } } as const;

  test(`${architecture}: one model at two seeds shares its memory, and the switch moves nothing`, async (t) => {
    const session = await openSession(t, pairOf);
    t.is(session.pair.info.plan.kind, "share");
    await session.prefill(prompt);
    t.like(await session.switch(), { kind: "share", bytes: 0, tokens: 60 });
    const alone = await openPair(t, { prefill: { architecture } });
    t.is(session.pair.info.kvBytes, alone.info.kvBytes);
  });

  test(`${architecture}: an answer left early is written on as it was, and what that took is counted`, async (t) => {
    const pair = await openPair(t, { ...pairOf, batchSize: 1, maxSessions: 2 });
    const whole = await answerAlone(pair, prompt, traced(40));
    const restored: number[] = [];
    for (let i = 0; i < 10; i++) {
      await using session = await pair.createSession();
      await session.prefill(prompt);
      await session.switch();
      const seen = await leaveAfter(session, 5);
      t.is(session.stats().restoredTokens, 0);
      const rest = await leaveAfter(session, 40);
      t.deepEqual([...seen, ...rest].slice(0, 40), [...whole.tokens]);
      const { restoredTokens, restoreMs } = session.stats();
      // From the switch up to the token before the last, which is what the next step reads; nothing if the writer was
      // not ahead of the reader.
      t.true(restoredTokens === 0 || restoredTokens === seen.length - 1);
      t.is(restoreMs > 0, restoredTokens > 0);
      restored.push(restoredTokens);
    }
    t.true(Math.max(...restored) > 0);
  });

  test(`${architecture}: a turn after an answer reads no token twice but those that it refreshes`, async (t) => {
    const session = await openSession(t, pairOf);
    await answer(session, prompt, traced(20));
    await session.prefill(someTokens(10, 3));
    t.like(session.stats(), { restoredTokens: 0, refreshedTokens: 20, prefillTokens: 90 });
  });

  test(`${architecture}: after an aborted prefill the session is read on as if it had never begun`, async (t) => {
    const pair = await openPair(t, { ...pairOf, batchSize: 1, maxSessions: 2, contextSize: 1024 });
    for (const nBefore of [0, 60]) {
      await using session = await pair.createSession();
      if (nBefore > 0) {
        await session.prefill(prompt);
        await session.switch();
      }
      const controller = new AbortController();
      const enough = new Error("enough");
      const onProgress = ({ tokens }: { readonly tokens: number }) => {
        if (tokens >= 10) controller.abort(enough);
      };
      const long = someTokens(900, 4);
      // On a busy machine it can be through before the abort is heard.
      const read = await session.prefill(long, { signal: controller.signal, onProgress }).then(
        () => long,
        (error: unknown) => {
          t.is(error, enough);
          return [];
        },
      );
      const found = await answer(session, someTokens(9, 5), traced(10));
      const before = [...prompt.slice(0, nBefore), ...read];
      const expected = await answerAlone(pair, [...before, ...someTokens(9, 5)], traced(10));
      t.deepEqual(found.logProbs, expected.logProbs);
    }
  });

  test(`${architecture}: several sessions write what each writes alone`, async (t) => {
    const pair = await openPair(t, { ...pairOf, maxSessions: 3, contextSize: 512 });
    t.is(pair.info.contextSize, 512);
    const alone = [];
    for (const seed of [1, 2, 3]) alone.push(await answerAlone(pair, someTokens(50, seed), traced(30, 5)));
    for (const deterministic of [true, false]) {
      const sessions = await Promise.all([1, 2, 3].map(() => pair.createSession()));
      const together = await Promise.all(
        sessions.map((one, i) => answer(one, someTokens(50, i + 1), { ...traced(30, 5), deterministic })),
      );
      for (const [i, found] of together.entries()) {
        const expected = alone[i] as (typeof alone)[number];
        if (deterministic) t.deepEqual(found.logProbs, expected.logProbs);
        else t.true(apart(expected, found) < 1e-2);
      }
      await Promise.all(sessions.map((session) => session.dispose()));
    }
  });

  test(`${architecture}: more sessions than llama.cpp has sequences for, with a spare for each, are refused`, async (t) => {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () =>
      openPair(t, { ...pairOf, maxSessions: 129, contextSize: 256 }),
    );
    t.regex(error.message, /maxSessions must be 1 to 128/);
  });

  test(`${architecture}: a full context ends the answer`, async (t) => {
    const session = await openSession(t, { ...pairOf, contextSize: 256, maxSessions: 2 });
    const { result, tokens } = await answer(session, someTokens(240), traced(100));
    t.is(result.reason, "context");
    t.is(tokens.length, 16);
  });
}
