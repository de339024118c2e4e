/**
 * Random programs of up to 16 sessions at once, with forks, changes of the writer, refreshes, answers that are left,
 * prompts that are aborted and texts that are truncated: each session gives what it gives alone.
 */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { loadPair, OverfillError, type Pair, type Session } from "../../lib/index.js";
import { checkWithin } from "../support/check-within.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { quiet, readAnswer, someTokens, traced } from "./fixtures.js";

type Move =
  | { readonly kind: "prefill"; readonly count: number; readonly seed: number; readonly refresh: boolean }
  | { readonly kind: "abort"; readonly count: number }
  | { readonly kind: "truncate"; readonly share: number }
  | { readonly kind: "switch"; readonly writer: string }
  | {
      readonly kind: "decode" | "leave";
      readonly count: number;
      readonly seed: number;
      readonly temperature: number;
      readonly writer: string | undefined;
    }
  | { readonly kind: "fork"; readonly moves: readonly Move[] };

const writers = ["quick", "careful", "prefill"];
const count = fc.integer({ min: 1, max: 12 });
const interval = fc.option(fc.integer({ min: 2, max: 8 }), { nil: undefined });

const { moves } = fc.letrec<{ move: Move; moves: Move[] }>((tie) => ({
  moves: fc.array(tie("move"), { minLength: 1, maxLength: 6, depthIdentifier: "forks" }),
  move: fc.oneof(
    { depthIdentifier: "forks", maxDepth: 2 },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("prefill" as const), count, seed: fc.nat(50), refresh: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), count }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("truncate" as const), share: fc.constantFrom(0, 0.5, 0.8, 0.95) }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("switch" as const), writer: fc.constantFrom(...writers) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom("decode" as const, "leave" as const),
        count,
        seed: fc.nat(50),
        temperature: fc.constantFrom(0, 1),
        writer: fc.option(fc.constantFrom(...writers), { nil: undefined }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("fork" as const), moves: tie("moves") }) },
  ),
}));

/**
 * How all of a program's sessions compute. One interval of refreshes: an answer that is left right behind a refresh has it
 * behind it, and one that is as long without having been left has it before it, which is the same only then. With
 * refreshes the writer changes between answers only: where one was taken back, the next writer reads what it had replaced.
 * And nothing is truncated: what such a refresh has read would stay. And each prompt refreshes: read behind an answer that
 * was left right behind a refresh it would have the prefill model's cells before it, behind one as long the decode model's.
 * For the same reason a program ends with a prompt whose abort came too late: it was read without a refresh.
 */
interface Manner {
  readonly deterministic: boolean;
  readonly refreshInterval: number | undefined;
}

/** What a move came to: what is compared, and what a replay has to know of how far it got. */
interface Outcome {
  readonly seen: string;
  readonly got: number;
}

/** The sessions of a program: its own, and those that it forks. */
const sessionsOf = (list: readonly Move[]): number =>
  1 + list.reduce((sum, move) => sum + (move.kind === "fork" ? sessionsOf(move.moves) : 0), 0);

/** Makes a move; where `known` is given, as far as it got then. */
async function make(session: Session, move: Move, manner: Manner, known?: Outcome): Promise<Outcome> {
  const { deterministic } = manner;
  switch (move.kind) {
    case "prefill": {
      const { contextTokens } = await session.prefill(someTokens(move.count, move.seed), {
        refresh: move.refresh || manner.refreshInterval !== undefined,
        deterministic,
      });
      return { seen: `${contextTokens}`, got: move.count };
    }
    case "abort": {
      if (known?.got === 0) return known;
      const controller = new AbortController();
      const onProgress = () => controller.abort(controller);
      const signal = known ? undefined : controller.signal;
      try {
        await session.prefill(someTokens(30), { refresh: false, deterministic, onProgress, signal });
        return { seen: "read", got: 30 };
      } catch (error) {
        if (error !== controller) throw error;
        return { seen: "aborted", got: 0 };
      }
    }
    case "truncate":
      if (manner.refreshInterval === undefined)
        await session.truncate(Math.floor(session.stats().contextTokens * move.share));
      return { seen: JSON.stringify([session.stats().stage, session.stats().contextTokens]), got: 0 };
    case "switch":
      return { seen: (await session.switch({ writer: move.writer })).writer, got: 0 };
    case "decode":
    case "leave": {
      const { seed, temperature } = move;
      const writer = manner.refreshInterval === undefined ? move.writer : undefined;
      const leaves = move.kind === "leave" && !known;
      const maxTokens = leaves ? 40 : (known?.got ?? move.count);
      const stream = session.decode({
        ...traced(maxTokens, 3),
        ...{ seed, temperature, writer, ...manner },
      });
      if (!leaves) {
        const { tokens, logProbs } = await readAnswer(stream);
        return { seen: JSON.stringify(logProbs), got: tokens.length };
      }
      const logProbs: unknown[] = [];
      for await (const chunk of stream) {
        logProbs.push(...(chunk.logProbs ?? []));
        if (logProbs.length >= move.count) break;
      }
      return { seen: JSON.stringify(logProbs), got: logProbs.length };
    }
    case "fork":
      return { seen: "fork", got: 0 };
  }
}

/** A refusal is an outcome too: the session is then as it was. */
async function outcomeOf(session: Session, move: Move, manner: Manner, known?: Outcome): Promise<Outcome> {
  try {
    return await make(session, move, manner, known);
  } catch (error) {
    const refusals = ["ERR_STAGE_ORDER", "ERR_HANDOVER_UNAVAILABLE"];
    if (!(error instanceof OverfillError) || !refusals.includes(error.code)) throw error;
    return { seen: error.code, got: 0 };
  }
}

/** A program that was run: its moves up to each fork included, so that it can be run again alone. */
interface Run {
  readonly moves: readonly Move[];
  readonly outcomes: readonly Outcome[];
}

/** Runs a program and its forks at the same time; gives a run for each session. */
async function runTogether(
  session: Session,
  list: readonly Move[],
  manner: Manner,
  before: Run = { moves: [], outcomes: [] },
): Promise<Run[]> {
  const done = [...before.moves];
  const outcomes = [...before.outcomes];
  const forks: Promise<Run[]>[] = [];
  try {
    for (const move of list) {
      if (move.kind === "fork") {
        const twin = await session.fork();
        forks.push(runTogether(twin, move.moves, manner, { moves: [...done], outcomes: [...outcomes] }));
        continue;
      }
      const outcome = await outcomeOf(session, move, manner);
      done.push(move);
      outcomes.push(outcome);
      if (outcome.seen === "read" && manner.refreshInterval !== undefined) break;
    }
  } finally {
    await session.dispose();
  }
  return [{ moves: done, outcomes }, ...(await Promise.all(forks)).flat()];
}

async function checkAlone(pair: Pair, { moves, outcomes }: Run, manner: Manner): Promise<void> {
  await using session = await pair.createSession();
  for (const [i, move] of moves.entries()) {
    const known = outcomes[i] as Outcome;
    // A leave that was refused, or that saw nothing, is refused again or asks for nothing.
    if (move.kind === "leave" && known.got === 0 && !known.seen.startsWith("ERR")) continue;
    const { seen } = await outcomeOf(session, move, manner, known.seen.startsWith("ERR") ? undefined : known);
    if (seen !== known.seen)
      throw new Error(
        `after ${JSON.stringify(moves.slice(0, i))} ${JSON.stringify(move)} gave ${known.seen.slice(0, 300)}, alone ${seen.slice(0, 300)}`,
      );
  }
}

const small = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const other = { seed: 3, nEmbd: 48, nFf: 64 } as const;
const recipes: readonly (readonly [string, TinyModelOptions, TinyModelOptions, TinyModelOptions, object])[] = [
  ["two writers that share", {}, small, other, {}],
  ["one that shares and one that translates", {}, small, other, { cacheTypeK: "q8_0" }],
  [
    "a recurrent state",
    { architecture: "mamba" },
    { architecture: "mamba", seed: 2 },
    { architecture: "mamba", seed: 3 },
    {},
  ],
];

async function open(t: ExecutionContext, recipe: (typeof recipes)[number], maxSessions: number): Promise<Pair> {
  const [, full, quick, careful, own] = recipe;
  const dir = withTempDir(t);
  const at = async (name: string, options: TinyModelOptions) =>
    (await writeTinyModel(join(dir, `${name}.gguf`), options)).path;
  const pair = await loadPair({
    ...quiet,
    contextSize: 1024,
    maxSessions,
    // It then makes no difference how often a reading began anew.
    batchSize: 1,
    prefill: { model: await at("full", full) },
    decode: { quick: { model: await at("quick", quick) }, careful: { model: await at("careful", careful), ...own } },
  });
  t.teardown(() => pair.dispose());
  return pair;
}

for (const recipe of recipes) {
  const begun = fc
    .tuple(fc.record({ kind: fc.constant("prefill" as const), count, seed: fc.nat(50), refresh: fc.boolean() }), moves)
    .map(([first, list]): Move[] => [first, { kind: "switch", writer: "quick" }, ...list]);
  const programs = fc
    .array(begun, { minLength: 2, maxLength: 8 })
    .filter((list) => list.reduce((sum, one) => sum + sessionsOf(one), 0) <= 16);

  test.serial(`any sessions at once give what each gives alone (${recipe[0]})`, async (t) => {
    const pair = await open(t, recipe, 16);
    const property = fc.asyncProperty(programs, interval, async (list, refreshInterval) => {
      const manner = { deterministic: true, refreshInterval };
      const sessions = await Promise.all(list.map(() => pair.createSession()));
      const runs = await Promise.all(sessions.map((session, i) => runTogether(session, list[i] ?? [], manner)));
      for (const run of runs.flat()) await checkAlone(pair, run, manner);
    });
    const outcome = await checkWithin(property, { numRuns: 40, limitMs: 20_000 });
    t.false(outcome.failed, String(outcome.errorInstance));
    const { decodeTokens, sessions } = pair.metrics();
    t.true(decodeTokens > 10 * outcome.numRuns, `${decodeTokens} tokens in ${outcome.numRuns} runs`);
    t.is(sessions, 0);
  });

  test.serial(`any sessions at once come to their ends in shared batches (${recipe[0]})`, async (t) => {
    const pair = await open(t, recipe, 16);
    const property = fc.asyncProperty(programs, interval, async (list, refreshInterval) => {
      const manner = { deterministic: false, refreshInterval };
      const sessions = await Promise.all(list.map(() => pair.createSession()));
      await Promise.all(sessions.map((session, i) => runTogether(session, list[i] ?? [], manner)));
    });
    const outcome = await checkWithin(property, { numRuns: 40, limitMs: 10_000 });
    t.false(outcome.failed, String(outcome.errorInstance));
    t.true(outcome.numRuns >= 2);
    t.is(pair.metrics().sessions, 0);
    const { tasks } = pair.metrics();
    t.is(tasks.ready + tasks.waitingForReader, 0);
  });
}
