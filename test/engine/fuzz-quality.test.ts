/**
 * Random programs of several sessions at once, whose answers are fast, exact or nearly exact, left early, truncated and
 * forked: an exact answer is what the prefill model writes alone behind the same text, whoever wrote that, and in a nearly
 * exact one every token is as likely as was asked.
 */

import test from "ava";
import fc from "fast-check";
import type { DecodeOptions, Pair, Session } from "../../lib/index.js";
import { checkWithin } from "../support/check-within.js";
import { openPair, type PairRecipe, readAnswer, someTokens, traced } from "./fixtures.js";

type Quality = NonNullable<DecodeOptions["quality"]>;

interface AnswerMove {
  readonly kind: "answer" | "leave";
  readonly quality: Quality;
  readonly count: number;
  readonly temperature: number;
  readonly seed: number;
  readonly deterministic: boolean;
}

type Move =
  | AnswerMove
  | { readonly kind: "prefill"; readonly count: number; readonly seed: number; readonly refresh: boolean }
  | { readonly kind: "truncate"; readonly share: number }
  | { readonly kind: "fork"; readonly moves: readonly Move[] };

const contextSize = 256;
const count = fc.integer({ min: 1, max: 24 });
const seed = fc.nat(40);

const { moves } = fc.letrec<{ move: Move; moves: Move[] }>((tie) => ({
  moves: fc.array(tie("move"), { minLength: 2, maxLength: 7, depthIdentifier: "forks" }),
  move: fc.oneof(
    { depthIdentifier: "forks", maxDepth: 1 },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constantFrom("answer" as const, "answer" as const, "leave" as const),
        quality: fc.oneof(
          fc.constant("fast" as const),
          fc.constant("exact" as const),
          fc.record({ acceptance: fc.constantFrom(1, 0.3, 0.001) }),
        ),
        count,
        temperature: fc.constantFrom(0, 0, 0, 1),
        seed,
        deterministic: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("prefill" as const), count, seed, refresh: fc.boolean() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("truncate" as const), share: fc.constantFrom(0.4, 0.8, 0.95, 0.99) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork" as const), moves: tie("moves") }) },
  ),
}));

const sessionsOf = (list: readonly Move[]): number =>
  1 + list.reduce((sum, move) => sum + (move.kind === "fork" ? sessionsOf(move.moves) : 0), 0);

/** What is compared of an answer: the text before it and what came. */
interface Written {
  readonly quality: Quality;
  readonly temperature: number;
  readonly before: readonly number[];
  readonly tokens: readonly number[];
  readonly logProbs: Awaited<ReturnType<typeof readAnswer>>["logProbs"];
}

/** Makes the moves, each where the session's stage allows it, and its forks at the same time. */
async function run(session: Session, list: readonly Move[], begun: readonly number[] = []): Promise<Written[]> {
  const text = [...begun];
  const written: Written[] = [];
  const forks: Promise<Written[]>[] = [];
  const read = async (tokens: number[], options: { refresh: boolean }) => {
    await session.prefill(tokens, options);
    text.push(...tokens);
  };
  try {
    for (const move of list) {
      if (text.length > contextSize - 60) {
        await session.truncate(40);
        text.length = 40;
      }
      switch (move.kind) {
        case "prefill":
          await read(someTokens(move.count, move.seed), { refresh: move.refresh });
          break;
        case "truncate": {
          const kept = Math.floor(text.length * move.share);
          await session.truncate(kept);
          text.length = kept;
          break;
        }
        case "fork":
          forks.push(run(await session.fork(), move.moves, text));
          break;
        default: {
          if (["empty", "interrupted"].includes(session.stats().stage)) await read(someTokens(3, 7), { refresh: true });
          if (session.stats().stage === "prefilled") await session.switch();
          const answer = await write(session, move);
          written.push({ ...answer, quality: move.quality, temperature: move.temperature, before: [...text] });
          text.push(...answer.tokens);
        }
      }
      if (session.stats().contextTokens !== text.length)
        throw new Error(`${JSON.stringify(move)}: ${session.stats().contextTokens} tokens, not ${text.length}`);
    }
  } finally {
    await session.dispose();
  }
  return [...written, ...(await Promise.all(forks)).flat()];
}

async function write(session: Session, move: AnswerMove): Promise<Pick<Written, "tokens" | "logProbs">> {
  const { quality, temperature, seed, deterministic } = move;
  const leaves = move.kind === "leave";
  const stream = session.decode({ ...traced(leaves ? 40 : move.count, 2), quality, temperature, seed, deterministic });
  if (!leaves) return readAnswer(stream);
  const tokens: number[] = [];
  const logProbs: Written["logProbs"][number][] = [];
  for await (const chunk of stream) {
    tokens.push(...chunk.tokens);
    logProbs.push(...(chunk.logProbs ?? []));
    if (tokens.length >= move.count) break;
  }
  return { tokens, logProbs };
}

const asLikely = 1e-3;

/** Why an answer is not what it has to be; undefined where it is. */
async function defect(pair: Pair, { quality, temperature, before, tokens, logProbs }: Written) {
  if (quality === "fast" || tokens.length === 0) return undefined;
  if (typeof quality === "object" && temperature === 0)
    for (const [i, { logProb, top }] of logProbs.entries())
      if (logProb - (top[0]?.logProb ?? 0) < Math.log(quality.acceptance) - asLikely)
        return `token ${i} is not ${quality.acceptance} times as likely as another`;
  if (temperature > 0 || (typeof quality === "object" && quality.acceptance < 1)) return undefined;
  await using alone = await pair.createSession();
  await alone.prefill([...before]);
  await alone.switch({ writer: "prefill" });
  const wanted = await readAnswer(alone.decode({ ...traced(tokens.length, 2), writer: "prefill" }));
  for (const [i, token] of tokens.entries()) {
    const [first, second] = wanted.logProbs[i]?.top ?? [];
    if (token !== wanted.tokens[i])
      // What was added up in another order chooses another one of two that are as likely.
      return (first?.logProb ?? 0) - (second?.logProb ?? 0) < asLikely ? undefined : `token ${i} is another one`;
    if (!(Math.abs((logProbs[i]?.logProb ?? 0) - (wanted.logProbs[i]?.logProb ?? 0)) < asLikely))
      return `token ${i} has another probability`;
  }
  return undefined;
}

const small = { seed: 2, nEmbd: 32, nFf: 64 } as const;
/** Sums in which the order of their terms changes little. */
const precise = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
const recipes: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a shared cache", { decode: small, ...precise }],
  ["a copied cache", { decode: small, handover: "translate", ...precise }],
  ["a pool", { decode: small, cacheTokens: 768, ...precise }],
  ["a recurrent state", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
];

for (const [title, recipe] of recipes)
  test.serial(`exact answers of any sessions at once are the prefill model's behind any text (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, contextSize, maxSessions: 12 });
    const programs = fc
      .array(moves, { minLength: 2, maxLength: 5 })
      .filter((list) => list.reduce((sum, one) => sum + sessionsOf(one), 0) <= 8);
    let compared = 0;
    const property = fc.asyncProperty(programs, async (list) => {
      const sessions = await Promise.all(list.map(() => pair.createSession()));
      const written = await Promise.all(sessions.map((session, i) => run(session, list[i] ?? [])));
      for (const answer of written.flat()) {
        const why = await defect(pair, answer);
        if (why) throw new Error(`${JSON.stringify({ ...answer, logProbs: undefined })}: ${why}`);
        compared += Number(answer.quality !== "fast");
      }
    });
    const outcome = await checkWithin(property, { numRuns: 40, limitMs: 12_000 });
    t.false(outcome.failed, `${outcome.errorInstance} ${JSON.stringify(outcome.counterexample)}`);
    // A busy machine comes to few runs.
    t.true(outcome.interrupted || compared > outcome.numRuns, `${compared} answers in ${outcome.numRuns} runs`);
    t.is(pair.metrics().sessions, 0);
  });
