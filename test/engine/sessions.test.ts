/** Several conversations on one pair. */

import test from "ava";
import type { DecodeChunk, DecodeOptions, Session } from "../../lib/index.js";
import {
  answer,
  answerAlone,
  apart,
  greedy,
  openPair,
  openSession,
  type PairRecipe,
  readAnswer,
  someTokens,
  traced,
} from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const lengths = [30, 70, 110];

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["sharing", { decode }],
  ["copying", { decode, handover: "translate" }],
  ["one model", {}],
  ["small micro-batches", { decode, batchSize: 8 }],
];

/** Two turns of a conversation of its own: what was written, and with which log-probabilities. */
async function converse(session: Session, which: number, options: DecodeOptions = {}) {
  const first = await answer(session, someTokens(lengths[which] ?? 20, which), { ...traced(40), ...options });
  const second = await answer(session, someTokens(15, 10 + which), { ...traced(30), ...options });
  return [first, second].map(({ tokens, logProbs, text }) => ({ tokens, logProbs, text }));
}

for (const [title, recipe] of recipes)
  for (const deterministic of [true, false])
    test(`three sessions at once write what each writes alone, ${deterministic ? "to the bit" : "nearly"} (${title})`, async (t) => {
      const pair = await openPair(t, { ...recipe, maxSessions: 3 });
      const all = await Promise.all(
        lengths.map(async (_, which) => converse(await pair.createSession(), which, { deterministic })),
      );
      const single = await openPair(t, { ...recipe, maxSessions: 1 });
      for (const [which, together] of all.entries()) {
        await using session = await single.createSession();
        const alone = await converse(session, which);
        if (deterministic) t.deepEqual(together, alone);
        // Batches add in another order, so that another of two tokens can win that are nearly as likely.
        else
          for (const [turn, expected] of alone.entries()) {
            const found = together[turn] as typeof expected;
            t.true(apart(expected, found) < 1e-2, String(apart(expected, found)));
            if (expected.tokens.join() !== found.tokens.join()) break;
          }
      }
    });

test("sessions that write at the same time share batches", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 4 });
  const sessions = await Promise.all([0, 1, 2, 3].map(() => pair.createSession()));
  for (const [i, session] of sessions.entries()) {
    await session.prefill(someTokens(20, i));
    await session.switch();
  }
  const before = pair.metrics();
  // More than a writer may be ahead of its reader, so that none can end before the others begin.
  await Promise.all(sessions.map((session) => readAnswer(session.decode(traced(400)))));
  const { decodeTokens, decodeBatches } = pair.metrics();
  // The first token of each is the prefill model's. How often a batch pays is measured, but it is tried at least once.
  t.is(decodeTokens - before.decodeTokens, 4 * 399);
  t.true(decodeBatches - before.decodeBatches < 4 * 399);
});

test("a long prompt is read in short pieces while an answer is written, unless it is to have all of the time", async (t) => {
  /** The batches that 16 micro-batches of a prompt are read in. */
  const batches = async (prefillShare: number) => {
    const pair = await openPair(t, { decode, maxSessions: 2, contextSize: 4096, batchSize: 128, prefillShare });
    const [writer, reader] = [await pair.createSession(), await pair.createSession()];
    await writer.prefill(someTokens(20));
    await writer.switch();
    const before = pair.metrics().prefillBatches;
    let reading: Promise<unknown> | undefined;
    for await (const _chunk of writer.decode({ ...greedy, ignoreEos: true }))
      reading ??= reader.prefill(someTokens(2048));
    await reading;
    return pair.metrics().prefillBatches - before;
  };
  t.true((await batches(0.3)) > 16);
  t.is(await batches(1), 16);
});

test("an abort and a failure take their own session out of a batch", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 3 });
  const sessions = await Promise.all([0, 1, 2].map(() => pair.createSession()));
  for (const [i, session] of sessions.entries()) {
    await session.prefill(someTokens(20, i));
    await session.switch();
  }
  const [first, second, third] = sessions as [Session, Session, Session];
  const controller = new AbortController();
  const reason = new Error("enough");
  const aborted = (async () => {
    for await (const _ of first.decode({ ...traced(400), signal: controller.signal })) controller.abort(reason);
  })();
  // No token is left to a grammar that has come to its end where the end token is forbidden.
  const impossible = readAnswer(second.decode({ ...traced(400), grammar: 'root ::= "a" "b"' }));
  const going = await readAnswer(third.decode(traced(60)));
  await t.throwsAsync(aborted, { is: reason });
  t.is((await impossible).text, "ab");
  const alone = await answerAlone(await openPair(t, { decode }), someTokens(20, 2), traced(60));
  t.true(apart(alone, going) < 1e-2);
});

test("sessions advance together: none waits for the end of another's answer", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 3 });
  const ended: number[] = [];
  await Promise.all(
    [400, 20, 5].map(async (maxTokens, which) => {
      await answer(await pair.createSession(), [50 + which], traced(maxTokens, 0));
      ended.push(which);
    }),
  );
  t.is(ended.at(-1), 0);
});

test("a session in a place that was used before starts empty", async (t) => {
  const pair = await openPair(t, { decode });
  const prompt = someTokens(50);
  const expected = await answerAlone(pair, prompt, traced(20));
  for (let round = 0; round < 3; round++) {
    await using session = await pair.createSession();
    t.like(session.stats(), { stage: "empty", contextTokens: 0, prefillTokens: 0, decodeTokens: 0, prefillMs: 0 });
    t.deepEqual((await answer(session, prompt, traced(20))).logProbs, expected.logProbs);
    await answer(session, someTokens(100, round), traced(30));
  }
});

test("each session has the whole context", async (t) => {
  const pair = await openPair(t, { decode, contextSize: 256, maxSessions: 3 });
  t.is(pair.info.contextSize, 256);
  for (let which = 0; which < 3; which++) {
    const session = await pair.createSession();
    t.is((await answer(session, someTokens(200, which), { ...greedy, ignoreEos: true })).tokens.length, 56);
  }
});

test("generate runs turn after turn, like the stages one by one", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2 });
  const [whole, stages] = [await pair.createSession(), await pair.createSession()];
  for (let turn = 0; turn < 3; turn++) {
    const prompt = someTokens(12, turn);
    const chunks: DecodeChunk[] = [];
    const generated = await whole.generate(prompt, { ...traced(10), onChunk: (chunk) => chunks.push(chunk) });
    const staged = await answer(stages, prompt, traced(10));
    t.deepEqual(generated.tokens, staged.tokens);
    t.is(generated.text, staged.text);
    t.deepEqual(
      chunks.flatMap(({ logProbs }) => logProbs ?? []),
      [...staged.logProbs],
    );
    t.is(generated.prefill.refreshedTokens, turn === 0 ? 0 : 10);
    t.is(generated.prefill.contextTokens, turn * 22 + 12);
    t.is(generated.handover.kind, "share");
    t.like(generated.decode, { reason: "length", tokens: 10, decodeSteps: 9 });
  }
  t.like(whole.stats(), {
    contextTokens: 66,
    prefillTokens: 36 + 20,
    refreshedTokens: 20,
    decodeTokens: 30,
    decodeSteps: 27,
  });
});

test("generate passes refresh and parseSpecial on, and reports progress", async (t) => {
  const session = await openSession(t, { decode, batchSize: 16 });
  await session.generate(someTokens(10), traced(5));
  const progress: unknown[] = [];
  const { prefill } = await session.generate("<|end_of_text|>", {
    ...traced(5),
    refresh: false,
    parseSpecial: false,
    onProgress: (step) => progress.push(step),
  });
  t.is(prefill.refreshedTokens, 0);
  t.is(prefill.promptTokens, (await session.tokenizeAsync("<|end_of_text|>")).length);
  t.deepEqual(progress.at(-1), { tokens: prefill.promptTokens + 1, totalTokens: prefill.promptTokens + 1 });
});

test("stats tell the stage and add up", async (t) => {
  const session = await openSession(t, { decode });
  const stage = () => session.stats().stage;
  t.is(stage(), "empty");
  await session.prefill(someTokens(30));
  t.is(stage(), "prefilled");
  await session.switch();
  t.is(stage(), "switched");
  await readAnswer(session.decode(traced(10)));
  t.is(stage(), "paused");
  const eos = (await session.tokenizeAsync("<|end_of_text|>", { parseSpecial: true }))[0] ?? 0;
  await readAnswer(session.decode({ ...greedy, logitBias: { [eos]: 1e6 } }));
  t.is(stage(), "ended");
  const { prefillMs, switchMs, decodeMs, ...counts } = session.stats();
  t.deepEqual(counts, {
    stage: "ended",
    contextTokens: 40,
    contextSize: 512,
    prefillTokens: 30,
    refreshedTokens: 0,
    cachedTokens: 0,
    decodeTokens: 10,
    decodeSteps: 10,
    restoredTokens: 0,
    restoreMs: 0,
  });
  t.true(prefillMs > 0 && decodeMs > 0 && switchMs >= 0);
});

test("the prefill's progress rises from batch to batch up to all tokens", async (t) => {
  const session = await openSession(t, { decode, batchSize: 16 });
  const steps: number[] = [];
  const result = await session.prefill(someTokens(100), {
    onProgress: ({ tokens, totalTokens }) => {
      t.is(totalTokens, 100);
      steps.push(tokens);
    },
  });
  t.deepEqual(steps, [16, 32, 48, 64, 80, 96, 100]);
  t.is(result.promptTokens, 100);
  t.true(Math.abs(result.tokensPerSecond - 100_000 / result.ms) < 1e-6);
});

test("a load's progress rises to 1", async (t) => {
  const fractions: number[] = [];
  await openPair(t, { decode, onProgress: ({ fraction }) => fractions.push(fraction) });
  t.true(fractions.length > 1);
  t.deepEqual(
    fractions,
    fractions.toSorted((a, b) => a - b),
  );
  t.is(fractions.at(-1), 1);
  t.true((fractions[0] ?? 1) < 0.5);
});

test("micro-batches do not change what is read", async (t) => {
  const prompt = someTokens(100);
  const options = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
  const [whole, cut] = [await openPair(t, options), await openPair(t, { ...options, batchSize: 7 })];
  t.is(cut.info.batchSize, 7);
  t.deepEqual(
    (await answerAlone(cut, prompt, traced(20))).tokens,
    (await answerAlone(whole, prompt, traced(20))).tokens,
  );
});
