/** Refreshes by a budget: where the decode model is unsure, for a share of the time. */

import { join } from "node:path";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";
import {
  answerAlone,
  cut,
  deep,
  openPair,
  type PairRecipe,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const precise = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
const prompt = someTokens(60, 1);
/** Costs are then fixed: a refresh for three tokens. */
const fixed = { ...traced(60), deterministic: true } as const;

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: narrow, ...precise }],
  ["a copied cache", { decode: narrow, handover: "translate", ...precise }],
  [
    "a shared cache of a depth-pruned model",
    { prefill: deep, decode: cut, translator: { layers: [1, 3, 4] }, ...precise },
  ],
  ["a recurrent state", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
];
for (const [title, recipe] of recipes)
  test(`with ${title}, a budget buys refreshes, and the report says what they came to`, async (t) => {
    const pair = await openPair(t, recipe);
    const plain = await answerAlone(pair, prompt, fixed);
    t.like(plain.result, { refreshes: 0, refreshMs: 0, refreshShare: 0 });
    const found = await answerAlone(pair, prompt, { ...fixed, refreshBudget: 0.5 });
    const { refreshes, refreshedTokens, refreshMs, refreshShare, ms, tokens } = found.result;
    t.true(refreshes >= 6 && refreshes <= 10, String(refreshes));
    t.true(refreshedTokens >= refreshes && refreshedTokens < 60);
    t.is(tokens, 60);
    t.is(refreshShare, refreshMs / (ms - refreshMs));
    t.notDeepEqual(found.logProbs, plain.logProbs);
    // And again: nothing depends on times.
    const again = await answerAlone(pair, prompt, { ...fixed, refreshBudget: 0.5 });
    t.deepEqual(again.logProbs, found.logProbs);
    const little = await answerAlone(pair, prompt, { ...fixed, refreshBudget: 0.01 });
    t.is(little.result.refreshes, 0);
    t.deepEqual(little.logProbs, plain.logProbs);
  });

for (const [title, recipe] of recipes.filter(([title]) => title !== "a shared cache"))
  test(`with ${title}, where a refresh cannot be of the newest tokens alone, each is read again once`, async (t) => {
    const pair = await openPair(t, recipe);
    await using session = await pair.createSession();
    await session.prefill(prompt, { deterministic: true });
    await session.switch();
    const { result } = await readAnswer(session.decode({ ...fixed, refreshBudget: 0.5 }));
    t.true(result.refreshes > 5);
    const next = await session.prefill(someTokens(3, 2));
    t.is(result.refreshedTokens + next.refreshedTokens, 60);
  });

test("an answer spends its budget and never more, where costs are given", async (t) => {
  const pair = await openPair(t, { decode: narrow, contextSize: 512 });
  for (const refreshBudget of [0.02, 0.1, 0.5, 1]) {
    const { result } = await answerAlone(pair, prompt, { ...fixed, maxTokens: 300, refreshBudget });
    t.is(result.tokens, 300);
    // Of each token that is written a share is saved up, and a refresh costs three.
    t.true(3 * result.refreshes <= refreshBudget * 300, `${result.refreshes} refreshes for ${refreshBudget}`);
    t.true(3 * result.refreshes >= 0.7 * refreshBudget * 300 - 3, `${result.refreshes} refreshes for ${refreshBudget}`);
  }
});

test("an answer with a budget goes on where it was saved", async (t) => {
  const pair = await openPair(t, { decode: narrow, ...precise, maxSessions: 2 });
  await using session = await pair.createSession();
  await session.prefill(prompt, { deterministic: true });
  await session.switch();
  const options = { ...fixed, refreshBudget: 0.6 } as const;
  t.true((await readAnswer(session.decode({ ...options, maxTokens: 40 }))).result.refreshes > 3);
  const file = join(withTempDir(t), "session.ofs");
  await session.save(file);
  await using restored = await pair.restore(file);
  const wanted = await readAnswer(session.decode({ ...options, maxTokens: 20 }));
  const got = await readAnswer(restored.decode({ ...options, maxTokens: 20 }));
  t.true(wanted.result.refreshes > 0);
  t.deepEqual(got.logProbs, wanted.logProbs);
});

test("a reader who leaves early finds the session where he left it", async (t) => {
  const pair = await openPair(t, { decode: narrow, ...precise, maxSessions: 2 });
  const options = { ...fixed, refreshBudget: 1 } as const;
  for (const taken of [5, 6, 7, 8, 20]) {
    await using session = await pair.createSession();
    await session.prefill(prompt, { deterministic: true });
    await session.switch();
    let count = 0;
    for await (const { tokens } of session.decode(options)) {
      count += tokens.length;
      if (count >= taken) break;
    }
    const rest = await readAnswer(session.decode({ ...options, maxTokens: 10 }));
    await using other = await pair.createSession();
    await other.prefill(prompt, { deterministic: true });
    await other.switch();
    await readAnswer(other.decode({ ...options, maxTokens: count }));
    t.deepEqual(rest.tokens, (await readAnswer(other.decode({ ...options, maxTokens: 10 }))).tokens);
  }
});

test("a budget is a share, and none goes with a quality that is checked", async (t) => {
  const pair = await openPair(t, { decode: narrow });
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  for (const refreshBudget of [0, -0.1, 1.01, Number.NaN, "0.1" as never]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.decode({ refreshBudget }));
    t.is(error.details.parameter, "options.refreshBudget");
  }
  for (const quality of ["exact", { acceptance: 0.5 }] as const) {
    const both = { quality, refreshBudget: 0.1 };
    for (const attempt of [() => session.decode(both), session.generate("more", both)]) {
      const error = await refusal(t, "ERR_INVALID_ARGUMENT", attempt);
      t.is(error.details.parameter, "options.refreshBudget");
    }
  }
  t.is((await readAnswer(session.decode({ ...traced(3), quality: "fast", refreshBudget: 0.1 }))).tokens.length, 3);
});

test("without a decode model there is nothing to refresh", async (t) => {
  const pair = await openPair(t, {});
  for (const writer of [undefined, "prefill"]) {
    const { result } = await answerAlone(pair, prompt, { ...fixed, refreshBudget: 1, writer });
    t.is(result.refreshes, 0);
  }
});
