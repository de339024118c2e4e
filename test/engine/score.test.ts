/** How likely responses are: against what generation itself says, and against the same model in another way. */

import test from "ava";
import fc from "fast-check";
import { loadPair, type Pair, type ScoreRow } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import {
  type Answer,
  answerAlone,
  openPair,
  type PairRecipe,
  quiet,
  readAnswer,
  refusal,
  someTokens,
  traced,
  turns,
  withoutNumbers,
} from "./fixtures.js";

const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const prompt = someTokens(70, 1);
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: narrow, ...exact }],
  ["a translated cache", { decode: narrow, ...exact, handover: "translate" }],
  ["a layer map", { decode: { layers: [0], nEmbd: 64 }, ...exact, translator: { layers: [1] } }],
  ["small micro-batches", { decode: narrow, ...exact, batchSize: 8 }],
  ["a recurrent state", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
  [
    "a KV cache and a recurrent state",
    { prefill: { architecture: "lfm2", nLayers: 2 }, decode: { architecture: "lfm2", nLayers: 2, seed: 2 }, ...exact },
  ],
  ["a sliding window", { prefill: { architecture: "gemma3" }, decode: { architecture: "gemma3", nFf: 64 }, ...exact }],
];

async function rowOf(pair: Pair, response: readonly number[], row: ScoreRow) {
  const result = await pair.score(prompt, [response], { rows: [row] });
  const scores = result.responses[0]?.rows[0];
  if (!scores) throw new Error("there is no row");
  return scores;
}

/** More than is scored before a test ends. */
const manyResponses = Array.from({ length: 500 }, (_, i) => someTokens(100, i));

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? Number.NaN))));

for (const [title, recipe] of recipes) {
  const rows: readonly (readonly [row: ScoreRow, decode: boolean, refreshInterval?: number])[] = [
    ["two-stage", true],
    [{ refreshInterval: 5 }, true, 5],
    ["prefill", false],
  ];
  for (const [row, decode, refreshInterval] of rows)
    test(`with ${title}, ${JSON.stringify(row)} gives a generated answer the log-probabilities it was written with`, async (t) => {
      const pair = await openPair(t, recipe);
      const { decode: _decode, translator: _translator, handover: _handover, ...alone } = recipe;
      const writer = decode ? pair : await openPair(t, alone);
      const written = await answerAlone(writer, prompt, {
        ...traced(23, 0),
        ...(refreshInterval && { refreshInterval }),
      });
      const scores = await rowOf(pair, written.tokens, row);
      const apart = distance(
        scores.logProbs,
        written.logProbs.map(({ logProb }) => logProb),
      );
      t.true(apart < 1e-4, String(apart));
    });

  // A model of fewer layers is no pair with itself by that map.
  if (!recipe.translator)
    test(`with ${title}, the decode model by itself is as in a pair of its own`, async (t) => {
      const response = someTokens(20, 3);
      const one = { prefill: recipe.decode ?? {}, decode: undefined, handover: undefined };
      const alone = await openPair(t, { ...recipe, ...one });
      const expected = await rowOf(alone, response, "prefill");
      const scores = await rowOf(await openPair(t, recipe), response, "decode");
      t.true(distance(scores.logProbs, expected.logProbs) < 1e-4);
    });

  test(`with ${title}, rows and responses do not change each other`, async (t) => {
    const pair = await openPair(t, recipe);
    const responses = [someTokens(17, 5), someTokens(3, 6), someTokens(40, 7)];
    const rows: ScoreRow[] = ["decode", { refreshInterval: 4 }, "two-stage", { refreshInterval: 1 }, "prefill"];
    const all = await pair.score(prompt, responses, { rows });
    t.is(all.promptTokens, prompt.length);
    for (const [i, response] of responses.entries())
      for (const [r, row] of rows.entries()) {
        const scores = all.responses[i]?.rows[r];
        const apart = await rowOf(pair, response, row);
        t.deepEqual(scores?.row, row);
        t.true(distance(scores?.logProbs ?? [], apart.logProbs) < 1e-4);
        t.true(distance(scores?.divergence ?? [], apart.divergence) < 1e-4);
        t.deepEqual(scores?.agree, apart.agree);
      }
    // Reading again after every token is the full model by itself.
    const refreshed = await rowOf(pair, responses[0] ?? [], { refreshInterval: 1 });
    t.true(refreshed.divergence.every((value) => value < 1e-6) && refreshed.agree.every((value) => value === 1));
  });
}

test("one model gives equal rows: every agreement 1, every divergence 0", async (t) => {
  const pair = await openPair(t, exact);
  const rows: ScoreRow[] = ["prefill", "decode", "two-stage", { refreshInterval: 3 }];
  const { responses } = await pair.score(prompt, [someTokens(30, 4)], { rows });
  const [first, ...others] = responses[0]?.rows ?? [];
  for (const { logProbs, agree, divergence } of others) {
    t.true(distance(logProbs, first?.logProbs ?? []) < 1e-5);
    t.true(agree.every((value) => value === 1));
    t.true(divergence.every((value) => value < 1e-9));
  }
  t.true(first?.divergence.every((value) => value === 0));
  for (const { logProbs } of others.slice(0, 2)) t.deepEqual(logProbs, first?.logProbs);
});

test("the probabilities of all tokens add up to 1, and the divergence is that of the distributions", async (t) => {
  const pair = await openPair(t, { decode: narrow, ...exact });
  const { responses } = await pair.score(prompt, [[60, 61]], { rows: ["prefill"] });
  const count = pair.info.prefill.vocabularySize;
  t.is(responses.length, 1);
  // The second token of two-token responses, over the whole vocabulary.
  const all = Array.from({ length: count }, (_, token) => [60, token]);
  const scored = await pair.score(prompt, all, { rows: ["prefill", "two-stage"] });
  const second = (row: number) => scored.responses.map(({ rows }) => rows[row]?.logProbs[1] ?? Number.NaN);
  const [p, q] = [second(0), second(1)];
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  t.true(Math.abs(sum(p.map(Math.exp)) - 1) < 1e-6);
  t.true(Math.abs(sum(q.map(Math.exp)) - 1) < 1e-6);
  const divergence = sum(p.map((value, i) => Math.exp(value) * (value - (q[i] ?? 0))));
  const told = scored.responses[0]?.rows[1]?.divergence[1] ?? Number.NaN;
  t.true(Math.abs(divergence - told) < 1e-6);
  t.true(told > 1e-4);
});

test("text is tokenised together, and the session's place is free again", async (t) => {
  const pair = await loadPair({ ...lookupPair, ...quiet });
  t.teardown(() => pair.dispose());
  for (const { prompt, answer } of lookups(5, { count: 5 })) {
    const [scored] = (await pair.score(prompt, [answer])).responses;
    t.is(pair.detokenize(scored?.tokens ?? []), answer);
    // The pair answers its look-ups, so its full model and both stages are sure of the answer; the decode model is not.
    const [full, decode, both] = (scored?.rows ?? []).map(({ logProbs }) =>
      logProbs.reduce((sum, value) => sum + value, 0),
    );
    t.true((full ?? -1) > -0.1 && (both ?? -1) > -0.1);
    t.true((decode ?? 0) < (both ?? 0));
  }
});

test("any prompt, responses and interval: as many entries as tokens, all of them possible", async (t) => {
  const pair = await openPair(t, { decode: narrow });
  const tokens = (max: number) => fc.array(fc.integer({ min: 40, max: 199 }), { minLength: 1, maxLength: max });
  await fc.assert(
    fc.asyncProperty(
      tokens(30),
      fc.array(tokens(20), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 25 }),
      async (prompt, responses, refreshInterval) => {
        const rows: ScoreRow[] = ["two-stage", { refreshInterval }, "decode", "prefill"];
        const scored = await pair.score(prompt, responses, { rows });
        for (const [i, response] of scored.responses.entries()) {
          t.deepEqual(response.tokens, responses[i]);
          for (const { logProbs, agree, divergence } of response.rows) {
            t.true(
              logProbs.length === response.tokens.length &&
                logProbs.every((value) => value <= 0 && Number.isFinite(value)),
            );
            t.true(divergence.length === response.tokens.length && divergence.every((value) => value >= 0));
            t.true(agree.length === response.tokens.length);
          }
          t.is(response.rows[0]?.divergence[0], 0);
        }
      },
    ),
    { numRuns: 20 },
  );
});

const wrong: readonly (readonly [title: string, prompt: unknown, responses: unknown, options?: unknown])[] = [
  ["an empty prompt", [], [[50]]],
  ["no responses", [50], []],
  ["an empty response", [50], [[51], []]],
  ["an empty text as response", [50], [""]],
  ["a prompt outside the vocabulary", [100_000], [[50]]],
  ["a response outside the vocabulary", [50], [[100_000]]],
  ["a negative token", [50], [[-1]]],
  ["an unknown row", [50], [[51]], { rows: ["student"] }],
  ["no rows", [50], [[51]], { rows: [] }],
  ["an interval of 0", [50], [[51]], { rows: [{ refreshInterval: 0 }] }],
  ["an unknown option", [50], [[51]], { row: "prefill" }],
];

for (const [title, prompt, responses, options] of wrong)
  test(`${title} is refused, and the pair goes on`, async (t) => {
    const pair = await openPair(t);
    await refusal(
      t,
      "ERR_INVALID_ARGUMENT",
      pair.score(prompt as number[], responses as number[][], options as object),
    );
    t.is((await pair.score([50], [[51]])).promptTokens, 1);
  });

test("what does not fit in the context is refused", async (t) => {
  const pair = await openPair(t, { contextSize: 256 });
  await refusal(t, "ERR_CONTEXT_OVERFLOW", pair.score(someTokens(200), [[50], someTokens(57)]));
  t.is((await pair.score(someTokens(200), [someTokens(56)])).responses.length, 1);
});

test("an abort leaves nothing behind", async (t) => {
  const pair = await openPair(t, { decode: narrow, maxSessions: 2 });
  const before = await pair.score(prompt, [[60, 61, 62]]);
  const abort = new AbortController();
  const running = pair.score(prompt, manyResponses, { signal: abort.signal });
  await turns(pair, 5);
  abort.abort(new Error("enough"));
  await t.throwsAsync(running, { message: "enough" });
  t.deepEqual(await pair.score(prompt, [[60, 61, 62]]), before);
  await t.throwsAsync(pair.score(prompt, [[60]], { signal: abort.signal }), { message: "enough" });
});

test("a pair that is disposed ends its scoring", async (t) => {
  const pair = await openPair(t, { decode: narrow, maxSessions: 2 });
  const running = pair.score(prompt, manyResponses);
  await turns(pair, 5);
  const disposed = pair.dispose();
  await refusal(t, "ERR_DISPOSED", running);
  await disposed;
  await refusal(t, "ERR_DISPOSED", pair.score(prompt, [[60]]));
});

test("a long scoring and another session's answer take turns, and do not change each other", async (t) => {
  const pair = await openPair(t, { decode: narrow, maxSessions: 2 });
  const responses = manyResponses.slice(0, 50);
  const [scores, written] = [await pair.score(prompt, responses), await answerAlone(pair, prompt, traced(50))];
  const ended: string[] = [];
  const note = async <Result>(name: string, work: Promise<Result>) => {
    const result = await work;
    ended.push(name);
    return result;
  };
  const scoring = note("scoring", pair.score(prompt, responses));
  const writing = note("answer", answerAlone(pair, prompt, traced(50)));
  t.deepEqual(await scoring, scores);
  t.deepEqual((await writing).logProbs, written.logProbs);
  t.deepEqual(ended, ["answer", "scoring"]);
});

test("a scoring ends while another session writes a long answer", async (t) => {
  const pair = await openPair(t, { decode: narrow, maxSessions: 2 });
  const scores = await pair.score(prompt, [[60, 61]]);
  await using session = await pair.createSession();
  await session.prefill([50]);
  await session.switch();
  const stream = session.decode(traced(400, 0));
  const writing = readAnswer(stream).then(() => "answer");
  const scoring = pair.score(prompt, [[60, 61]]);
  t.is(await Promise.race([writing, scoring.then(() => "scoring")]), "scoring");
  t.deepEqual(await scoring, scores);
  t.is(await writing, "answer");
});

test("an abort of a scoring leaves the answer alone that is being written", async (t) => {
  const pair = await openPair(t, { decode: narrow, maxSessions: 2 });
  const expected = await answerAlone(pair, prompt, traced(60));
  await using session = await pair.createSession();
  const abort = new AbortController();
  const scoring = t.throwsAsync(pair.score(prompt, manyResponses, { signal: abort.signal }), { message: "enough" });
  await session.prefill(prompt);
  await session.switch();
  const logProbs: Answer["logProbs"][number][] = [];
  for await (const chunk of session.decode(traced(60))) {
    logProbs.push(...(chunk.logProbs ?? []));
    abort.abort(new Error("enough"));
  }
  await scoring;
  t.deepEqual(logProbs, [...expected.logProbs]);
  t.is((await pair.score(prompt, [[60]])).responses.length, 1);
});

test("logits that are no numbers are told with the model that gave them", async (t) => {
  const pair = await openPair(t, { decode: { ...narrow, tensorEdit: withoutNumbers } });
  for (const row of ["decode", "two-stage", { refreshInterval: 2 }] as const) {
    const error = await refusal(t, "ERR_INFERENCE_FAILED", pair.score(prompt, [[60, 61, 62]], { rows: [row] }));
    t.is(error.details.model, "decode");
    t.is(typeof error.details.position, "number");
    t.true((error.details.position ?? 0) >= prompt.length);
  }
  // The full model's are sound.
  const { responses } = await pair.score(prompt, [[60, 61, 62]], { rows: ["prefill"] });
  t.true(responses[0]?.rows[0]?.logProbs.every(Number.isFinite));
});
