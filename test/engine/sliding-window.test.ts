/**
 * Models some of whose layers see a window only. Their cache is two caches, and llama.cpp takes cells outside the window
 * for free, which must not cost the tokens that a refresh goes back to.
 */

import test from "ava";
import {
  type Answer,
  answer,
  answerAlone,
  distance,
  openPair,
  type PairRecipe,
  readAnswer,
  someTokens,
  traced,
  turns,
} from "./fixtures.js";

const window = 32;
const gemma3 = { architecture: "gemma3", nLayers: 4, slidingWindow: { window, pattern: 2 } } as const;
const gemma2 = { architecture: "gemma2", slidingWindow: { window, pattern: 2 } } as const;
const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a gemma3 pair", { prefill: gemma3, decode: { ...gemma3, ...narrow } }],
  [
    "a gemma3 pair without flash attention",
    { prefill: gemma3, decode: { ...gemma3, ...narrow }, flashAttention: false },
  ],
  ["a gemma2 pair", { prefill: gemma2, decode: { ...gemma2, ...narrow } }],
];

/** For comparisons where cells lie in another order, and sums with them. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

const stable = ({ text, tokens, logProbs }: Answer) => ({ text, tokens, logProbs });

for (const [title, recipe] of recipes) {
  test(`${title} shares its cache, with the log-probabilities of a copied one`, async (t) => {
    const shared = await openPair(t, { ...recipe, handover: "share" });
    const copied = await openPair(t, { ...recipe, handover: "translate" });
    t.is(shared.info.plan.kind, "share");
    t.is(shared.info.prefill.slidingWindow, window);
    // The prompt fits into the window, so that all of it is copied and lies in the same cells; the answer leaves it.
    const prompt = someTokens(window - 4);
    t.deepEqual(
      stable(await answerAlone(shared, prompt, traced(64))),
      stable(await answerAlone(copied, prompt, traced(64))),
    );
  });

  test(`${title} writes the same after a prompt longer than the window, shared or copied`, async (t) => {
    const shared = await openPair(t, { ...recipe, ...exact, handover: "share" });
    const copied = await openPair(t, { ...recipe, ...exact, handover: "translate" });
    const prompt = someTokens(3 * window);
    const one = await answerAlone(shared, prompt, traced(24, 10));
    const other = await answerAlone(copied, prompt, traced(24, 10));
    t.deepEqual(one.tokens, other.tokens);
    // A copy leaves the cells outside the window out, so sums are taken in another order.
    for (const [step, row] of one.logProbs.entries())
      t.true(distance(row, other.logProbs[step]) < 1e-2, `step ${step}`);
  });

  for (const handover of ["share", "translate"] as const) {
    test(`${title} (${handover}) refreshes an answer longer than the window as if the prefill model had read everything`, async (t) => {
      const pair = await openPair(t, { ...recipe, handover, maxSessions: 2 });
      const session = await pair.createSession();
      const prompt = someTokens(2 * window);
      const { tokens } = await answer(session, prompt, traced(3 * window));
      const next = someTokens(10, 3);
      t.is((await session.prefill(next)).refreshedTokens, 3 * window);
      await session.switch();
      const refreshed = await readAnswer(session.decode(traced(8)));

      const fresh = await pair.createSession();
      await fresh.prefill(prompt);
      await fresh.prefill([...tokens, ...next]);
      await fresh.switch();
      t.deepEqual(refreshed.logProbs, (await readAnswer(fresh.decode(traced(8)))).logProbs);
    });

    test(`${title} (${handover}) can refresh after a turn without a refresh`, async (t) => {
      const pair = await openPair(t, { ...recipe, ...exact, handover, maxSessions: 2 });
      const session = await pair.createSession();
      const prompt = someTokens(2 * window);
      const next = someTokens(10, 3);
      const one = await answer(session, prompt, traced(2 * window));
      await session.prefill(next, { refresh: false });
      await session.switch();
      const two = await readAnswer(session.decode(traced(8)));
      await session.prefill(next);
      await session.switch();
      const refreshed = await readAnswer(session.decode(traced(8)));

      const fresh = await pair.createSession();
      await fresh.prefill(prompt);
      await fresh.prefill([...one.tokens, ...next, ...two.tokens, ...next]);
      await fresh.switch();
      const expected = await readAnswer(fresh.decode(traced(8)));
      t.deepEqual(refreshed.tokens, expected.tokens);
      t.true(distance(refreshed.logProbs[0], expected.logProbs[0]) < 1e-2);
    });

    test(`${title} (${handover}) goes on after an answer that the reader left as if it had never been left`, async (t) => {
      const pair = await openPair(t, { ...recipe, handover, maxSessions: 2 });
      const prompt = someTokens(2 * window);
      const whole = await answerAlone(pair, prompt, traced(150));
      const session = await pair.createSession();
      await session.prefill(prompt);
      await session.switch();
      const tokens: number[] = [];
      while (tokens.length < 150) {
        for await (const chunk of session.decode(traced(150 - tokens.length))) {
          tokens.push(...chunk.tokens);
          // The engine runs far ahead of the reader.
          await turns(pair, 20);
          break;
        }
      }
      t.deepEqual(tokens, whole.tokens);
    });
  }
}
