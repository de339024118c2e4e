/** Random conversations in one full pool give what each gives with its cells to itself. */

import test from "ava";
import type { Pair } from "../../lib/index.js";
import { mulberry32 } from "../support/random.js";
import {
  type Answer,
  apart,
  cut,
  deep,
  openPair,
  type PairRecipe,
  readAnswer,
  someTokens,
  traced,
} from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["sharing", { decode }],
  ["copying", { decode, handover: "translate" }],
  ["one model", {}],
  ["sharing through a layer map", { prefill: deep, decode: cut, translator: { layers: [1, 3, 4] } }],
  ["lfm2", { prefill: { architecture: "lfm2" }, decode: { architecture: "lfm2", seed: 2 } }],
];

/** Sums in which the order of their terms changes little. */
const precise = { contextSize: 512, cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

/**
 * Turns of random length, some of them forked, some cut short, some taken back, with and without refreshes, alone or in
 * batches.
 */
async function converse(pair: Pair, seed: number): Promise<Answer[]> {
  const random = mulberry32(seed);
  const below = (n: number) => Math.floor(random() * n);
  const answers: Answer[] = [];
  await using session = await pair.createSession();
  for (let turn = 0; turn < 4; turn++) {
    const left = 512 - session.stats().contextTokens;
    if (left < 60) break;
    await session.prefill(someTokens(10 + below(Math.min(150, left - 50)), 10 * seed + turn), { deterministic: true });
    await session.switch();
    const options = {
      ...traced(5 + below(40), 10),
      deterministic: random() < 0.5,
      refreshInterval: random() < 0.3 ? 12 : undefined,
    };
    if (random() < 0.3) {
      await using twin = await session.fork();
      answers.push(await readAnswer(twin.decode(options)));
    }
    if (random() < 0.2) answers.push(await readAnswer(session.decode({ ...options, maxTokens: 3 })));
    answers.push(await readAnswer(session.decode(options)));
    if (random() < 0.2) {
      await session.truncate(session.stats().contextTokens - 4);
      answers.push(await readAnswer(session.decode({ ...options, maxTokens: 8 })));
    }
    if (random() < 0.3) await session.truncate(below(session.stats().contextTokens));
  }
  return answers;
}

for (const [title, recipe] of recipes)
  test(`random conversations in a full pool (${title})`, async (t) => {
    const seeds = [1, 2, 3, 4, 5, 50, 51, 52, 53, 54];
    const pool = await openPair(t, { ...recipe, ...precise, cacheTokens: 768, maxSessions: 12 });
    const together = await Promise.all(seeds.map((seed) => converse(pool, seed)));
    t.true(pool.metrics().putAside.times > 20);
    t.is(pool.metrics().putAside.sessions, 0);

    const single = await openPair(t, { ...recipe, ...precise, maxSessions: 2 });
    for (const [which, seed] of seeds.entries())
      for (const [i, expected] of (await converse(single, seed)).entries()) {
        const found = together[which]?.[i] as Answer;
        t.true(apart(expected, found) < 1e-3, `seed ${seed}, answer ${i}: ${apart(expected, found)}`);
        // Another of two tokens that are nearly as likely may win; what follows is then another text.
        if (expected.tokens.join() !== found.tokens.join()) break;
      }
  });
