/**
 * Random conversations: whatever was prefilled, kept, refreshed, aborted, stopped, left and truncated, a session holds exactly the
 * tokens that its caller knows of, and after a refresh it goes on like a new session that read them all.
 */

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { type LoadPairOptions, OverfillError, type Pair, type Session } from "../../lib/index.js";
import { checkWithin } from "../support/check-within.js";
import {
  type Answer,
  answer,
  distance,
  openPair,
  type PairRecipe,
  readAnswer,
  someTokens,
  traced,
} from "./fixtures.js";

/** What a caller does; gives the tokens that the session holds more afterwards, and takes from `known` what it holds less. */
type Step = (session: Session, known: number[]) => Promise<readonly number[]>;

interface Move {
  readonly name: string;
  readonly step: Step;
}

const prefill = (count: number, seed: number, refresh: boolean): Move => ({
  name: `prefill ${count} tokens (${refresh ? "refresh" : "keep"})`,
  step: async (session) => {
    const tokens = someTokens(count, seed);
    await session.prefill(tokens, { refresh });
    return tokens;
  },
});

const abortedPrefill = (afterTokens: number, refresh: boolean): Move => ({
  name: `abort a prefill after ${afterTokens} tokens (${refresh ? "refresh" : "keep"})`,
  step: async (session) => {
    const controller = new AbortController();
    const onProgress = ({ tokens }: { readonly tokens: number }) => {
      if (tokens >= afterTokens) controller.abort(controller);
    };
    const tokens = someTokens(300);
    try {
      await session.prefill(tokens, { refresh, onProgress, signal: controller.signal });
      // On a busy machine it can be through before the abort is heard: then it is a prefill like others.
      return tokens;
    } catch (error) {
      if (error !== controller) throw error;
      return [];
    }
  },
});

const hop: Move = {
  name: "switch",
  step: async (session) => {
    await session.switch();
    return [];
  },
};

const decode = (count: number): Move => ({
  name: `decode ${count} tokens`,
  step: async (session) => (await readAnswer(session.decode(traced(count, 0)))).tokens,
});

const leave = (count: number, waitMs: number): Move => ({
  name: `leave after ${count} tokens, read ${waitMs} ms apart`,
  step: async (session) => {
    const tokens: number[] = [];
    for await (const chunk of session.decode(traced(40, 0))) {
      tokens.push(...chunk.tokens);
      if (tokens.length >= count) break;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return tokens;
  },
});

const stop = (character: string): Move => ({
  name: `decode up to ${JSON.stringify(character)}`,
  step: async (session) =>
    (await readAnswer(session.decode({ ...traced(40, 0), temperature: 1, seed: 1, stop: character }))).tokens,
});

const truncate = (share: number): Move => ({
  name: `truncate to ${share} of it`,
  step: async (session, known) => {
    const count = Math.floor(known.length * share);
    await session.truncate(count);
    known.length = count;
    return [];
  },
});

/** The end of an answer rather than of a prompt. */
const truncateBy = (count: number): Move => ({
  name: `truncate by ${count}`,
  step: async (session, known) => {
    await session.truncate(Math.max(0, known.length - count));
    known.length = Math.max(0, known.length - count);
    return [];
  },
});

const moves: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.nat(50), fc.boolean()).map((all) => prefill(...all)),
  },
  { weight: 5, arbitrary: fc.constant(hop) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 20 }).map(decode) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 10 }), fc.constantFrom(0, 1)).map((all) => leave(...all)),
  },
  { weight: 2, arbitrary: fc.constantFrom("a", "e", "t", " ", "the").map(stop) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 30 }), fc.boolean()).map((all) => abortedPrefill(...all)),
  },
  { weight: 1, arbitrary: fc.constantFrom(0, 0.1, 0.5, 0.9, 1).map(truncate) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 8 }).map(truncateBy) },
);

const conversations = fc.array(moves, { minLength: 1, maxLength: 12 });

/** Plays the moves. A move that the session is not ready for must be refused and change nothing. */
async function play(session: Session, list: readonly Move[]): Promise<number[]> {
  const known: number[] = [];
  for (const { name, step } of list) {
    const before = session.stats();
    try {
      known.push(...(await step(session, known)));
    } catch (error) {
      if (!(error instanceof OverfillError) || error.code !== "ERR_STAGE_ORDER") throw error;
      const { stage, contextTokens } = session.stats();
      if (stage !== before.stage || contextTokens !== before.contextTokens)
        throw new Error(`refused, yet changed: ${name}`);
    }
    const { contextTokens } = session.stats();
    if (contextTokens !== known.length) throw new Error(`${contextTokens} tokens, not ${known.length}, after: ${name}`);
  }
  return known;
}

type Equal = (a: Answer, b: Answer) => boolean;

/** Compares the session's next answer with that of a session that reads its tokens in one go. */
async function compare(
  session: Session,
  reader: Pair,
  known: readonly number[],
  list: readonly Move[],
  equal: Equal,
): Promise<void> {
  await using fresh = await reader.createSession();
  const going = await answer(session, [60, 61], traced(6));
  const expected = await answer(fresh, [...known, 60, 61], traced(6));
  if (equal(going, expected)) return;
  const off = distance(going.logProbs[0], expected.logProbs[0]);
  throw new Error(`it goes on in another way (${off}) after: ${list.map(({ name }) => name).join("; ")}`);
}

/** Plays conversations at the same time, then compares how each goes on with a session of the other pair. */
async function playTogether(
  pair: Pair,
  reader: Pair,
  lists: readonly (readonly Move[])[],
  equal: Equal,
): Promise<void> {
  const sessions = await Promise.all(lists.map(() => pair.createSession()));
  try {
    const known = await Promise.all(sessions.map((session, i) => play(session, lists[i] ?? [])));
    for (const [i, session] of sessions.entries())
      await compare(session, reader, known[i] ?? [], lists[i] ?? [], equal);
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/** With a `prefixCache` the pair takes over what it has read, and another pair of the same models reads everything. */
async function prove(
  t: ExecutionContext,
  recipe: PairRecipe,
  equal: Equal,
  nTogether: number,
  prefixCache: LoadPairOptions["prefixCache"] = false,
): Promise<void> {
  // Micro-batches of one token, so that it makes no difference how often a reading began anew.
  const all = { ...recipe, batchSize: 1, contextSize: 4096, maxSessions: nTogether + 1 };
  const pair = await openPair(t, { ...all, prefixCache });
  const reader = prefixCache ? await openPair(t, all) : pair;
  const lists = fc.array(conversations, { minLength: nTogether, maxLength: nTogether });
  const property = fc.asyncProperty(lists, (list) => playTogether(pair, reader, list, equal));
  const outcome = await checkWithin(property, { numRuns: 100, limitMs: 20_000 });
  t.false(outcome.failed, String(outcome.errorInstance));
  t.true(outcome.numRuns >= 25 / nTogether);
  if (prefixCache) t.true(pair.metrics().prefixCache.cachedTokens > 0);
}

const small = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const gemma3 = { architecture: "gemma3", slidingWindow: { window: 16, pattern: 2 } } as const;

const exact = (a: Answer, b: Answer) => JSON.stringify(a.logProbs) === JSON.stringify(b.logProbs);
const near = (a: Answer, b: Answer) => distance(a.logProbs[0], b.logProbs[0]) < 1e-2;

/** In a unified cache a session's cells lie among those of others, and sums are made in their order. */
const recipes: readonly (readonly [title: string, recipe: PairRecipe, equal: Equal, unified?: "unified"])[] = [
  ["a sharing pair", { decode: small }, exact],
  ["a copying pair", { decode: small, handover: "translate" }, exact],
  ["one model", {}, exact],
  ["a sharing pair with a q8_0 cache", { decode: small, cacheTypeK: "q8_0", cacheTypeV: "q8_0" }, exact],
  ["a sharing pair with sliding layers", { prefill: gemma3, decode: { ...gemma3, ...small } }, exact],
  ["one model with a recurrent state", { prefill: { architecture: "mamba" } }, exact],
  [
    "a sharing pair with a recurrent state",
    { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } },
    exact,
  ],
  ["one model with a KV cache and a recurrent state", { prefill: { architecture: "lfm2" } }, exact, "unified"],
  [
    "a sharing pair with a KV cache and a recurrent state",
    { prefill: { architecture: "lfm2" }, decode: { architecture: "lfm2", seed: 2 } },
    exact,
    "unified",
  ],
  [
    "a copying pair with sliding layers",
    {
      prefill: gemma3,
      decode: { ...gemma3, ...small },
      handover: "translate",
      flashAttention: false,
      cacheTypeK: "f32",
      cacheTypeV: "f32",
    },
    // Its cells may lie in another order, and sums with them.
    near,
  ],
];

for (const [title, recipe, equal, unified] of recipes) {
  test.serial(`after any conversation, ${title} goes on like a new session with the same tokens`, async (t) => {
    await prove(t, recipe, equal, 1);
  });

  test.serial(
    `after any three conversations at once, ${title} goes on with each as if it had been alone`,
    async (t) => {
      await prove(t, recipe, unified ? near : equal, 3);
    },
  );

  test.serial(
    `after any two conversations at once, ${title} with a prefix cache goes on like one that reads all`,
    async (t) => {
      await prove(t, recipe, unified ? near : equal, 2, { maxBytes: 2 ** 20 });
    },
  );
}
