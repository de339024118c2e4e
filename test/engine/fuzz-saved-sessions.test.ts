/**
 * Random conversations that are saved at a random moment: the session that goes on, one restored in the same pair and one
 * restored in another do the same from there, to the bit.
 */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { type LoadPairOptions, loadPair, OverfillError, type Pair, type Session } from "../../lib/index.js";
import { checkWithin } from "../support/check-within.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { narrower, type PairRecipe, quiet, readAnswer, someTokens, traced } from "./fixtures.js";

type Move =
  | { readonly kind: "prefill"; readonly count: number; readonly seed: number; readonly refresh: boolean }
  | { readonly kind: "replace"; readonly count: number; readonly seed: number }
  | { readonly kind: "switch" }
  | { readonly kind: "writer"; readonly writer: "decode" | "prefill" }
  | {
      readonly kind: "decode";
      readonly count: number;
      readonly temperature: number;
      readonly seed: number | undefined;
      readonly grammar: string | undefined;
      readonly refreshInterval: number | undefined;
    };

/** What depends on time comes only before a session is saved. */
type Hasty = Move | { readonly kind: "leave" | "abort"; readonly count: number };

const count = fc.integer({ min: 1, max: 14 });
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });

const steady: fc.Arbitrary<Move>[] = [
  fc.record({ kind: fc.constant("prefill" as const), count, seed: fc.nat(20), refresh: fc.boolean() }),
  fc.record({ kind: fc.constant("replace" as const), count, seed: fc.nat(3) }),
  fc.constant({ kind: "switch" as const }),
  fc.constant({ kind: "switch" as const }),
  fc.record({ kind: fc.constant("writer" as const), writer: fc.constantFrom("decode" as const, "prefill" as const) }),
  ...Array.from({ length: 3 }, () =>
    fc.record({
      kind: fc.constant("decode" as const),
      count,
      temperature: fc.constantFrom(0, 1.2),
      seed: maybe(fc.nat(3)),
      grammar: maybe(fc.constantFrom('root ::= ("é" | [a-f])+', "root ::= [a-z ]+")),
      refreshInterval: maybe(fc.integer({ min: 2, max: 6 })),
    }),
  ),
];
const hasty: fc.Arbitrary<Hasty>[] = [
  ...steady,
  fc.record({ kind: fc.constantFrom("leave" as const, "abort" as const), count }),
];
const befores = fc.array(fc.oneof(...hasty), { maxLength: 9 });
const afters = fc.array(fc.oneof(...steady), { minLength: 1, maxLength: 6 });

async function make(session: Session, move: Hasty): Promise<unknown> {
  const deterministic = true;
  switch (move.kind) {
    case "prefill":
      return (await session.prefill(someTokens(move.count, move.seed), { refresh: move.refresh, deterministic }))
        .contextTokens;
    case "replace":
      return (await session.prefill(someTokens(move.count, move.seed), { replace: true, deterministic })).keptTokens;
    case "switch":
      return (await session.switch()).writer;
    case "writer":
      return (await session.switch({ writer: move.writer })).writer;
    case "decode": {
      const { kind: _kind, count, ...how } = move;
      // Without a seed an answer draws its own, unless it goes on.
      const seed = how.temperature > 0 ? (how.seed ?? 9) : how.seed;
      const { tokens, logProbs, text } = await readAnswer(
        session.decode({ ...traced(count, 3), ...how, seed, deterministic }),
      );
      return { tokens, logProbs, text };
    }
    case "leave": {
      let left = move.count;
      for await (const { tokens } of session.decode({ ...traced(40, 0), deterministic })) {
        left -= tokens.length;
        if (left <= 0) break;
      }
      return undefined;
    }
    case "abort": {
      const controller = new AbortController();
      const onProgress = () => controller.abort(controller);
      await session
        .prefill(someTokens(30), { refresh: false, onProgress, signal: controller.signal })
        .catch((error: unknown) => (error === controller ? undefined : Promise.reject(error)));
      return undefined;
    }
  }
}

/** A refusal is an outcome too. */
async function outcomes(session: Session, moves: readonly Hasty[]): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const move of moves) {
    try {
      all.push(await make(session, move));
    } catch (error) {
      if (!(error instanceof OverfillError) || error.code === "ERR_INTERNAL") throw error;
      all.push(error.code);
    }
    const { stage, contextTokens } = session.stats();
    all.push(stage, contextTokens);
  }
  return all;
}

async function pairsOf(t: ExecutionContext, { prefill = {}, decode, decodeCache: _, ...options }: PairRecipe) {
  const dir = withTempDir(t);
  const write = async (name: string, model: string | TinyModelOptions) => ({
    model: typeof model === "string" ? model : (await writeTinyModel(join(dir, name), model)).path,
  });
  const models = {
    prefill: await write("prefill.gguf", prefill),
    ...(decode !== undefined && { decode: await write("decode.gguf", decode) }),
  };
  const open = async (more: Partial<LoadPairOptions>): Promise<Pair> => {
    const pair = await loadPair({ ...quiet, batchSize: 16, ...options, ...models, ...more } as LoadPairOptions);
    t.teardown(() => pair.dispose());
    return pair;
  };
  return { open, file: join(dir, "a.session") };
}

const gemma3 = { architecture: "gemma3", slidingWindow: { window: 16, pattern: 2 } } as const;

const recipes: readonly (readonly [title: string, recipe: PairRecipe, unified?: "unified"])[] = [
  ["sharing", { decode: narrower }],
  ["copying", { decode: narrower, handover: "translate" }],
  ["sharing, V transposed", { decode: narrower, flashAttention: false }],
  ["sharing, in q8_0", { decode: narrower, cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["sliding windows", { prefill: gemma3, decode: { ...gemma3, ...narrower } }],
  ["sliding windows, copying", { prefill: gemma3, decode: { ...gemma3, ...narrower }, handover: "translate" }],
  ["mamba", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
  ["lfm2", { prefill: { architecture: "lfm2" }, decode: { architecture: "lfm2", seed: 2 } }, "unified"],
];

for (const [title, recipe, unified] of recipes)
  test(`a saved conversation goes on the same everywhere (${title})`, async (t) => {
    const { open, file } = await pairsOf(t, recipe);
    const [pair, other] = [
      await open({ contextSize: 512, maxSessions: 2 }),
      await open({ contextSize: 512, maxSessions: 1 }),
    ];
    const property = fc.asyncProperty(befores, afters, async (before, after) => {
      await using session = await pair.createSession();
      await outcomes(session, before);
      await session.save(file);
      const expected = JSON.stringify(await outcomes(session, after));
      // In a unified cache a session's cells lie among those of others, and sums are made in their order.
      if (unified) await session.dispose();
      await using twin = await pair.restore(file);
      await using stranger = await other.restore(file);
      for (const [where, of] of [["in the same pair", twin] as const, ["in another pair", stranger] as const])
        if (JSON.stringify(await outcomes(of, after)) !== expected) throw new Error(`another way ${where}`);
    });
    const outcome = await checkWithin(property, { numRuns: 120, limitMs: 20_000 });
    t.false(outcome.failed, `${outcome.errorInstance}\n${JSON.stringify(outcome.counterexample)}`);
    t.true(outcome.numRuns >= 10);
  });
