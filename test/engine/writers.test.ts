/** One prefill model with several decode models: who writes is named, and each writes as in a pair of its own. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  type DecodeSource,
  inspect,
  type LoadPairOptions,
  loadPair,
  type Pair,
  type Session,
} from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { type Answer, answerAlone, quiet, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const models = {
  full: {},
  quick: { seed: 2, nEmbd: 32, nFf: 64 },
  careful: { seed: 3, nEmbd: 48, nFf: 64 },
} as const satisfies Record<string, TinyModelOptions>;
type Paths = Readonly<Record<keyof typeof models, string>>;

async function written(t: ExecutionContext): Promise<Paths> {
  const dir = withTempDir(t);
  const entries = Object.entries(models).map(async ([name, recipe]) => [
    name,
    (await writeTinyModel(join(dir, `${name}.gguf`), recipe)).path,
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Paths;
}

async function open(t: ExecutionContext, { full }: Paths, options: Omit<LoadPairOptions, "prefill">): Promise<Pair> {
  const pair = await loadPair({ ...quiet, prefixCache: false, contextSize: 512, prefill: { model: full }, ...options });
  t.teardown(() => pair.dispose());
  return pair;
}

/** A pair with two decode models: one that shares the cache, and one that has the same or its own. */
const openBoth = (t: ExecutionContext, paths: Paths, own: Partial<DecodeSource> = {}, maxSessions = 4) =>
  open(t, paths, { maxSessions, decode: { quick: { model: paths.quick }, careful: { model: paths.careful, ...own } } });

const prompt = someTokens(60);
const steps = traced(24);
const stable = ({ text, tokens, logProbs }: Answer) => ({ text, tokens, logProbs });

async function answerOf(session: Session, writer?: string): Promise<Answer> {
  await session.prefill(prompt);
  await session.switch({ writer });
  return readAnswer(session.decode(steps));
}

for (const own of [{}, { cacheTypeK: "q8_0" }] as const)
  test(`each decode model writes as in a pair of its own (${"cacheTypeK" in own ? "one translates" : "both share"})`, async (t) => {
    const paths = await written(t);
    const pair = await openBoth(t, paths, own);
    t.deepEqual(Object.keys(pair.info.writers), ["quick", "careful"]);
    t.deepEqual(pair.info.writers.quick?.plan, pair.info.plan);
    t.deepEqual(pair.info.writers.quick?.model, pair.info.decode);
    t.is(pair.info.writers.careful?.plan.kind, "cacheTypeK" in own ? "translate" : "share");
    for (const { runsApart } of Object.values(pair.info.writers)) t.false(runsApart);

    const alone = {
      quick: await answerAlone(await open(t, paths, { decode: { model: paths.quick } }), prompt, steps),
      careful: await answerAlone(await open(t, paths, { decode: { model: paths.careful, ...own } }), prompt, steps),
      prefill: await answerAlone(await open(t, paths, { decode: "prefill" }), prompt, steps),
    };
    for (const [writer, expected] of Object.entries(alone)) {
      await using named = await pair.createSession({ writer });
      const byDefault = await answerOf(named);
      t.is(byDefault.result.writer, writer);
      t.deepEqual(stable(byDefault), stable(expected), writer);

      await using session = await pair.createSession();
      t.deepEqual(stable(await answerOf(session, writer)), stable(expected), writer);

      await using late = await pair.createSession();
      await late.prefill(prompt);
      t.is((await late.switch()).writer, "quick");
      t.deepEqual(stable(await readAnswer(late.decode({ ...steps, writer }))), stable(expected), writer);

      await using whole = await pair.createSession();
      const { decode, handover, tokens } = await whole.generate(prompt, { ...steps, writer });
      t.deepEqual([decode.writer, handover.writer, tokens], [writer, writer, expected.tokens]);
    }
    t.notDeepEqual(alone.quick.tokens, alone.careful.tokens);
  });

test("changing the writer of a conversation moves no byte where they share", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths);
  const session = await pair.createSession({ writer: "careful" });
  const first = await answerOf(session);
  const read = pair.metrics().prefillTokens;
  const second = await readAnswer(session.decode({ ...traced(8), writer: "quick" }));
  t.is(second.result.writer, "quick");
  t.is(pair.metrics().prefillTokens, read);
  // The one that is to go on is who wrote last.
  t.is((await session.decode(traced(4)).result).writer, "quick");
  t.is(session.stats().contextTokens, 60 + first.tokens.length + 12);

  await session.prefill(someTokens(10, 4));
  const report = await session.switch();
  t.like(report, { writer: "careful", kind: "share", implementation: "share", bytes: 0 });
});

test("what the prefill model wrote itself is not read again", async (t) => {
  const paths = await written(t);
  const session = await (await openBoth(t, paths)).createSession({ writer: "prefill" });
  await session.prefill(prompt);
  t.like(await session.switch(), { writer: "prefill", kind: "share", bytes: 0 });
  const { result } = await readAnswer(session.decode({ ...steps, refreshInterval: 4 }));
  t.like(result, { writer: "prefill", refreshes: 0, refreshedTokens: 0, tokens: 24 });
  // But for the last token, which nobody has read.
  t.is((await session.prefill(someTokens(10, 4))).refreshedTokens, 1);
});

for (const architecture of ["gemma3", "lfm2", "mamba"] as const)
  test(`decode models on another memory than a KV cache write as in pairs of their own (${architecture})`, async (t) => {
    const dir = withTempDir(t);
    const at = async (name: string, seed: number) =>
      (await writeTinyModel(join(dir, `${name}.gguf`), { architecture, seed, nLayers: 2 })).path;
    const paths: Paths = { full: await at("full", 1), quick: await at("quick", 2), careful: await at("careful", 3) };
    const pair = await openBoth(t, paths);
    const expected = await Promise.all(
      [paths.quick, paths.careful].map(async (model) =>
        answerAlone(await open(t, paths, { decode: { model } }), prompt, steps),
      ),
    );
    // At the same time, each computed alone.
    const answers = ["quick", "careful"].map(async (writer) => {
      const session = await pair.createSession({ writer });
      await session.prefill(prompt, { deterministic: true });
      await session.switch();
      return readAnswer(session.decode({ ...steps, deterministic: true }));
    });
    t.deepEqual((await Promise.all(answers)).map(stable), expected.map(stable));
  });

test("a recurrent state is not read again for a change of the writer", async (t) => {
  const dir = withTempDir(t);
  const { path: full } = await writeTinyModel(join(dir, "full.gguf"), { architecture: "mamba" });
  const { path: small } = await writeTinyModel(join(dir, "small.gguf"), { architecture: "mamba", seed: 2 });
  const decode = { quick: { model: small }, careful: { model: full, adapters: [] } };
  const pair = await loadPair({ ...quiet, prefixCache: false, contextSize: 512, prefill: { model: full }, decode });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  for (const writer of ["quick", "careful", "prefill"]) await session.decode({ ...traced(8), writer }).result;
  t.is((await session.prefill(someTokens(10, 4))).refreshedTokens, 24);
  t.is(session.stats().restoredTokens, 0);
});

test("a fork has the writer of the session it comes from", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths, { cacheTypeK: "q8_0" });
  for (const writer of ["quick", "careful", "prefill"]) {
    await using session = await pair.createSession({ writer });
    await session.prefill(prompt);
    await session.switch();
    await session.decode(traced(8)).result;
    await using twin = await session.fork();
    const [own, copied] = [await readAnswer(session.decode(steps)), await readAnswer(twin.decode(steps))];
    t.deepEqual([stable(copied), copied.result.writer], [stable(own), writer]);
    await twin.prefill(someTokens(10, 4));
    t.is((await twin.switch()).writer, writer);
  }
});

test("sessions with different writers write at the same time", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths, { cacheTypeK: "q8_0" }, 6);
  const writers = ["quick", "careful", "prefill", "quick", "careful", "prefill"];
  const alone: Answer[] = [];
  for (const writer of writers) {
    await using session = await pair.createSession({ writer });
    alone.push(await answerOf(session));
  }
  const before = pair.metrics();
  const together = await Promise.all(
    writers.map(async (writer) => {
      const session = await pair.createSession({ writer });
      await session.prefill(prompt, { deterministic: true });
      await session.switch();
      return readAnswer(session.decode({ ...steps, deterministic: true }));
    }),
  );
  t.deepEqual(together.map(stable), alone.map(stable));
  const { decodeTokens } = pair.metrics();
  t.is(decodeTokens - before.decodeTokens, 4 * 23);
});

test("a score is of the decode model that is named", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths, { cacheTypeK: "q8_0" });
  const scoresOf = async (of: Pair, writer?: string) =>
    (await of.score(prompt, [someTokens(12, 5)], { writer })).responses;
  t.deepEqual(await scoresOf(pair), await scoresOf(await open(t, paths, { decode: { model: paths.quick } })));
  const alone = await open(t, paths, { decode: { model: paths.careful, cacheTypeK: "q8_0" } });
  t.deepEqual(await scoresOf(pair, "careful"), await scoresOf(alone));
  t.notDeepEqual(await scoresOf(pair, "careful"), await scoresOf(pair, "quick"));
  await refusal(t, "ERR_INVALID_ARGUMENT", scoresOf(pair, "prefill"));
});

test("an unknown writer is refused at once, with the names that there are", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths);
  const session = await pair.createSession();
  const attempts: (() => unknown)[] = [
    () => pair.createSession({ writer: "carefull" }),
    () => pair.chat({ writer: "carefull" }),
    () => pair.chat().send("Hello", { writer: "carefull" }),
    () => session.switch({ writer: "carefull" }),
    () => session.decode({ writer: "carefull" }),
    () => session.generate(prompt, { writer: "carefull" }),
  ];
  for (const attempt of attempts) {
    const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", async () => await attempt());
    t.like(details, {
      parameter: "options.writer",
      expected: 'expected one of "prefill", "quick" or "careful"',
      suggestion: "careful",
    });
  }
  t.is(session.stats().stage, "empty");
});

test("names and entries of decode models are checked", async (t) => {
  const paths = await written(t);
  const model = paths.quick;
  const cases: [decode: unknown, parameter: string][] = [
    [{ "": { model } }, "options.decode"],
    [{ prefill: { model } }, "options.decode"],
    [{ quick: { model }, careful: { modell: model } }, "options.decode.careful.modell"],
    [{ quick: { model }, careful: "model.gguf" }, "options.decode.careful"],
    [{ quick: { model, contextSize: 4 } }, "options.decode.quick.contextSize"],
    ["quick", "options.decode"],
    [Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`w${i}`, { model }])), "options.decode"],
  ];
  for (const [decode, parameter] of cases) {
    const loading = loadPair({ ...quiet, prefill: { model: paths.full }, decode } as unknown as LoadPairOptions);
    t.is((await refusal(t, "ERR_INVALID_ARGUMENT", loading)).details.parameter, parameter);
  }
  const decode = { quick: { model } };
  const translator = { layers: [0, 1] };
  const loading = loadPair({ ...quiet, prefill: { model: paths.full }, decode, translator });
  t.is((await refusal(t, "ERR_INVALID_ARGUMENT", loading)).details.parameter, "options.translator");
  const looking = inspect({ prefill: { model: paths.full }, decode: decode as never });
  t.is((await refusal(t, "ERR_INVALID_ARGUMENT", looking)).details.parameter, "options.decode");
});

test("a decode model that does not fit says its name, and nothing stays loaded", async (t) => {
  const paths = await written(t);
  const { path: misfit } = await writeTinyModel(join(withTempDir(t), "misfit.gguf"), { nLayers: 3 });
  const decode = { quick: { model: paths.quick }, misfit: { model: misfit } };
  const error = await refusal(t, "ERR_HANDOVER_UNAVAILABLE", open(t, paths, { decode }));
  t.regex(error.message, /^writer "misfit": /);
  const missing = { quick: { model: paths.quick }, gone: { model: join(withTempDir(t), "gone.gguf") } };
  t.regex((await refusal(t, "ERR_MODEL_NOT_FOUND", open(t, paths, { decode: missing }))).message, /^writer "gone": /);
});

test("a name may be any text, and one model may have several", async (t) => {
  const paths = await written(t);
  const names = ["1", "__proto__", "toString", "Größe 2", "model"];
  const decode = Object.fromEntries(names.map((name) => [name, { model: paths.quick }]));
  const pair = await open(t, paths, { decode });
  t.deepEqual(Object.keys(pair.info.writers), names);
  const answers: unknown[] = [];
  for (const writer of names) {
    await using session = await pair.createSession({ writer });
    const answer = await answerOf(session);
    t.is(answer.result.writer, writer);
    answers.push(stable(answer));
  }
  for (const answer of answers) t.deepEqual(answer, answers[0]);
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.createSession({ writer: "constructor" }));
});

test("a decode model by name may have a layer map of its own", async (t) => {
  const dir = withTempDir(t);
  const { path: full } = await writeTinyModel(join(dir, "deep.gguf"), { nLayers: 4 });
  const { path: narrow } = await writeTinyModel(join(dir, "narrow.gguf"), { nLayers: 4, seed: 2, nEmbd: 32, nFf: 64 });
  const { path: cut } = await writeTinyModel(join(dir, "cut.gguf"), { nLayers: 2, seed: 3 });
  const load = async (decode: LoadPairOptions["decode"], translator?: LoadPairOptions["translator"]) => {
    const pair = await loadPair({
      ...quiet,
      prefixCache: false,
      contextSize: 512,
      prefill: { model: full },
      decode,
      translator,
    });
    t.teardown(() => pair.dispose());
    return pair;
  };
  const translator = { layers: "spaced" } as const;
  const pair = await load({ narrow: { model: narrow }, cut: { model: cut, translator } });
  t.like(pair.info.writers.cut?.plan, { kind: "share", layerMap: [0, 3] });
  const expected = await answerAlone(await load({ model: cut }, translator), prompt, steps);
  await using session = await pair.createSession({ writer: "cut" });
  t.deepEqual(stable(await answerOf(session)), stable(expected));
});

test("disposal in the middle of answers by several writers frees all", async (t) => {
  const paths = await written(t);
  const pair = await openBoth(t, paths, { cacheTypeK: "q8_0" });
  const begun: Promise<void>[] = [];
  const answers = ["quick", "careful", "prefill"].map(async (writer) => {
    let onChunk = () => {};
    begun.push(
      new Promise((resolve) => {
        onChunk = resolve;
      }),
    );
    const session = await pair.createSession({ writer });
    return session.generate(prompt, { temperature: 0, ignoreEos: true, maxTokens: 400, onChunk });
  });
  for (const ended of answers) ended.catch(() => {});
  await Promise.race(begun);
  await pair.dispose();
  for (const ended of answers) await refusal(t, "ERR_DISPOSED", ended);
});
