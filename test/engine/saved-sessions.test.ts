/** Saved sessions: whatever a session was about to do, it does the same when it was restored, in its own pair or in another. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type DecodeOptions, type LoadPairOptions, loadPair, type Pair, type Session } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import {
  distance,
  kindsOfPairs,
  narrower,
  type PairRecipe,
  quiet,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

/** Computed alone, so that runs are equal to the bit. */
const exact = (maxTokens: number, options: DecodeOptions = {}) =>
  ({ ...traced(maxTokens), deterministic: true, ...options }) as const satisfies DecodeOptions;

async function written(session: Session, options: DecodeOptions) {
  const { tokens, logProbs, text } = await readAnswer(session.decode(options));
  return { tokens, logProbs, text };
}

const read = (session: Session, count: number, seed: number) =>
  session.prefill(someTokens(count, seed), { deterministic: true });

/** Opens pairs of the same files, as often as asked. */
async function pairsOf(
  t: ExecutionContext,
  { prefill = {}, decode, decodeCache, ...options }: PairRecipe,
): Promise<{ readonly open: (more?: Partial<LoadPairOptions>) => Promise<Pair>; readonly file: string }> {
  const dir = withTempDir(t);
  const write = async (name: string, model: string | TinyModelOptions) =>
    typeof model === "string" ? model : (await writeTinyModel(join(dir, name), model)).path;
  const paths = {
    prefill: { model: await write("prefill.gguf", prefill) },
    ...(decode !== undefined && { decode: { model: await write("decode.gguf", decode), ...decodeCache } }),
  };
  const open = async (more: Partial<LoadPairOptions> = {}) => {
    const pair = await loadPair({ ...quiet, contextSize: 512, ...options, ...paths, ...more } as LoadPairOptions);
    t.teardown(() => pair.dispose());
    return pair;
  };
  return { open, file: join(dir, "session.ofs") };
}

const gemma3 = { architecture: "gemma3", slidingWindow: { window: 16, pattern: 2 } } as const;

const kinds: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ...kindsOfPairs,
  ["a sliding window", { prefill: gemma3, decode: { ...gemma3, ...narrower } }],
  ["a sliding window, copying", { prefill: gemma3, decode: { ...gemma3, ...narrower }, handover: "translate" }],
  ["a quantised cache", { decode: narrower, cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["V transposed", { decode: narrower, flashAttention: false }],
];

/** Every way in which a session may stand, and what it does next. */
const places: readonly (readonly [
  title: string,
  before: (session: Session) => Promise<unknown>,
  after: (session: Session) => Promise<unknown>,
])[] = [
  [
    "nothing read",
    async () => {},
    async (session) => {
      await read(session, 20, 1);
      await session.switch();
      return written(session, exact(8));
    },
  ],
  [
    "before its switch",
    (session) => read(session, 40, 1),
    async (session) => {
      await session.switch();
      return written(session, exact(8));
    },
  ],
  [
    "after its switch",
    async (session) => {
      await read(session, 40, 1);
      await session.switch();
    },
    (session) => written(session, exact(8)),
  ],
  [
    "within an answer, with a turn after it",
    async (session) => {
      await read(session, 40, 1);
      await session.switch();
      await written(session, exact(9));
    },
    async (session) => {
      const rest = await written(session, exact(8));
      await read(session, 12, 2);
      await session.switch();
      return [rest, await written(session, exact(8))];
    },
  ],
  [
    "in its third turn, kept without a refresh",
    async (session) => {
      for (const turn of [1, 2]) {
        await session.prefill(someTokens(20, turn), { deterministic: true });
        await session.switch();
        await written(session, exact(7));
      }
      await session.prefill(someTokens(9, 3), { deterministic: true });
    },
    async (session) => {
      await session.switch();
      return written(session, exact(8));
    },
  ],
  [
    "within an answer with refreshes",
    async (session) => {
      await read(session, 40, 1);
      await session.switch();
      await written(session, exact(10, { refreshInterval: 4 }));
    },
    (session) => written(session, exact(12, { refreshInterval: 4 })),
  ],
];

for (const [kind, recipe] of kinds)
  for (const [place, before, after] of places)
    test(`a restored session goes on as the saved one does (${kind}; ${place})`, async (t) => {
      const { open, file } = await pairsOf(t, recipe);
      const pair = await open({ maxSessions: 2 });
      const session = await pair.createSession();
      await before(session);
      await session.save(file);
      await using twin = await pair.restore(file);
      t.is(twin.stats().stage, session.stats().stage);
      t.is(twin.stats().contextTokens, session.stats().contextTokens);
      const expected = await after(session);
      t.deepEqual(await after(twin), expected);

      const other = await open();
      await using again = await other.restore(file);
      t.deepEqual(await after(again), expected);
    });

const decode = narrower;

test("an answer goes on with its random numbers, its grammar and its penalties", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open();
  const ways: readonly DecodeOptions[] = [
    { temperature: 1.5, seed: 7 },
    { temperature: 1.5, repeatPenalty: 1.5, xtcProbability: 0.5 },
    { temperature: 1, grammar: 'root ::= "{" [a-z]+ ("," [a-z]+)* "}"', ignoreEos: false },
  ];
  for (const way of ways) {
    const session = await pair.createSession();
    await read(session, 40, 1);
    await session.switch();
    await written(session, exact(6, way));
    await session.save(file);
    const expected = await written(session, exact(12, way));
    await session.dispose();
    await using twin = await pair.restore(file);
    t.deepEqual(await written(twin, exact(12, way)), expected);
  }
});

test("an answer that was cut inside a character goes on with the rest of it", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open();
  await using session = await pair.createSession();
  await read(session, 40, 1);
  await session.switch();
  // Of "é" the vocabulary has only the two bytes.
  const options = exact(1, { grammar: 'root ::= "é"+' });
  const first = await written(session, options);
  await session.save(file);
  const expected = await written(session, exact(4, { grammar: 'root ::= "é"+' }));
  await session.dispose();
  await using twin = await pair.restore(file);
  t.deepEqual(await written(twin, exact(4, { grammar: 'root ::= "é"+' })), expected);
  t.true((first.text + expected.text).startsWith("é"));
});

test("the writer is known by its name, and has to be there", async (t) => {
  const dir = withTempDir(t);
  const [full, quick, careful] = await Promise.all([
    writeTinyModel(join(dir, "full.gguf"), {}),
    writeTinyModel(join(dir, "quick.gguf"), { ...narrower, seed: 2 }),
    writeTinyModel(join(dir, "careful.gguf"), { ...narrower, seed: 3 }),
  ]);
  const file = join(dir, "session.ofs");
  const open = async (decode: LoadPairOptions["decode"]) => {
    const pair = await loadPair({
      ...quiet,
      contextSize: 512,
      prefill: { model: full.path },
      decode,
    } as LoadPairOptions);
    t.teardown(() => pair.dispose());
    return pair;
  };
  const pair = await open({ quick: { model: quick.path }, careful: { model: careful.path } });
  const session = await pair.createSession({ writer: "quick" });
  await read(session, 30, 1);
  await session.switch();
  await written(session, exact(5));
  await written(session, exact(5, { writer: "careful" }));
  await session.save(file);
  const go = async (of: Session) => [
    await written(of, exact(5)),
    await written(of, exact(5, { writer: "quick" })),
    await read(of, 5, 2).then(({ contextTokens }) => contextTokens),
    (await of.switch()).writer,
  ];
  const expected = await go(session);

  // In another order, they are other numbers.
  const turned = await open({ careful: { model: careful.path }, quick: { model: quick.path } });
  await using twin = await turned.restore(file);
  t.deepEqual(await go(twin), expected);

  const without = await open({ quick: { model: quick.path } });
  const error = await refusal(t, "ERR_SAVED_SESSION_MISMATCH", without.restore(file));
  t.like(error.details, { writer: "careful | none of that name" });
  t.is(without.metrics().sessions, 0);
  const swapped = await open({ quick: { model: careful.path }, careful: { model: quick.path } });
  t.regex((await refusal(t, "ERR_SAVED_SESSION_MISMATCH", swapped.restore(file))).message, /quick weights is/);
});

test("a restored session joins the pool, which makes room for it", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open({ maxSessions: 3, cacheTokens: 512 });
  const session = await pair.createSession();
  await read(session, 300, 1);
  await session.switch();
  await written(session, exact(5));
  await session.save(file);
  t.is(pair.metrics().putAside.sessions, 0);
  const twin = await pair.restore(file);
  t.is(pair.metrics().putAside.sessions, 1);
  // The first one is put aside now, and can be saved as it lies there.
  await session.save(`${file}.aside`);
  t.is(pair.metrics().putAside.sessions, 1);
  await twin.dispose();
  const third = await pair.restore(`${file}.aside`);
  const expected = await written(session, exact(20));
  t.deepEqual((await written(third, exact(20))).tokens, expected.tokens);
});

test("where running answers hold the pool, a restored session waits for room, and may be called off", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open({ maxSessions: 3, cacheTokens: 512 });
  const first = await pair.createSession();
  await read(first, 200, 1);
  await first.switch();
  await first.save(file);
  await read(first, 50, 2);
  await first.switch();
  const answering = written(first, exact(150));
  const controller = new AbortController();
  const why = new Error("enough");
  const waiting = pair.restore(file);
  const called = pair.restore(file, { signal: controller.signal });
  controller.abort(why);
  await called.then(
    (late) => late.dispose(),
    (error) => t.is(error, why),
  );
  const twin = await waiting;
  t.is(twin.stats().contextTokens, 200);
  t.is((await answering).tokens.length, 150);
  t.is((await written(twin, exact(100))).tokens.length, 100);
  t.is(pair.metrics().sessions, 2);
});

test("a session is busy while it is saved, and others are not", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open({ maxSessions: 2 });
  const [session, other] = [await pair.createSession(), await pair.createSession()];
  await read(session, 300, 1);
  const saving = session.save(file);
  await refusal(t, "ERR_SESSION_BUSY", session.switch());
  await read(other, 20, 2);
  await saving;
  await session.switch();
  t.true(existsSync(file));
});

test("an abort leaves the file that was there, and no other", async (t) => {
  const { open, file } = await pairsOf(t, { decode });
  const pair = await open({ maxSessions: 2 });
  const session = await pair.createSession();
  await read(session, 20, 1);
  await session.save(file);
  await read(session, 300, 1);
  const why = new Error("enough");
  await t.throwsAsync(session.save(file, { signal: AbortSignal.abort(why) }), { is: why });
  const controller = new AbortController();
  const saving = session.save(file, { signal: controller.signal });
  controller.abort(why);
  // It may have been too late.
  const tokens = await saving.then(
    () => 320,
    (error) => (error === why ? 20 : Promise.reject(error)),
  );
  await using twin = await pair.restore(file);
  t.is(twin.stats().contextTokens, tokens);
  await twin.dispose();

  const restoring = new AbortController();
  const restored = pair.restore(file, { signal: restoring.signal });
  restoring.abort(why);
  await restored.then(
    (late) => late.dispose(),
    (error) => t.is(error, why),
  );
  t.is(pair.metrics().sessions, 1);
  await session.switch();
});

for (const [title, recipe, share] of [
  ["f16", { decode }, 0.6],
  ["f16, V transposed", { decode, flashAttention: false }, 0.6],
  ["bf16, copying", { decode, handover: "translate", cacheTypeK: "bf16", cacheTypeV: "bf16" }, 0.6],
  ["f32, sliding", { prefill: gemma3, cacheTypeK: "f32", cacheTypeV: "f32" }, 0.35],
] as const satisfies readonly (readonly [string, PairRecipe, number])[])
  test(`q8_0 takes less space, and loses little (${title})`, async (t) => {
    const { open, file } = await pairsOf(t, recipe);
    const pair = await open({ maxSessions: 2 });
    const session = await pair.createSession();
    await read(session, 200, 1);
    await session.switch();
    await written(session, exact(4));
    await session.save(file);
    await session.save(`${file}.small`, { compress: "q8_0" });
    t.true(statSync(`${file}.small`).size < share * statSync(file).size);
    const { logProbs } = await written(session, exact(1));
    await using twin = await pair.restore(`${file}.small`);
    const off = distance(logProbs[0], (await written(twin, exact(1))).logProbs[0]);
    // Of random weights: bf16 in the place of f16 moves these log-probabilities by 0.03, and a wrong cache by several.
    t.true(off > 0 && off < 0.3, `${off}`);
  });

test("what cannot be stored in q8_0 is refused with the reason", async (t) => {
  const refusedBy = async (recipe: PairRecipe, reason: RegExp) => {
    const { open, file } = await pairsOf(t, recipe);
    const session = await (await open()).createSession();
    await read(session, 20, 1);
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", session.save(file, { compress: "q8_0" }));
    t.is(error.details.parameter, "options.compress");
    t.regex(error.message, reason);
    t.false(existsSync(file));
    await session.save(file);
  };
  await refusedBy({ decode, cacheTypeK: "q8_0" }, /the cache's type is q8_0/);
  await refusedBy({ prefill: { architecture: "mamba" } }, /there is more in a recurrent state/);
  await refusedBy({ prefill: { architecture: "lfm2" } }, /there is more in a hybrid/);
});
