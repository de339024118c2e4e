/** Fitting translators: what they gain, what they refuse, and that nothing is left after an abort. */

import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import anyTest, { type TestFn } from "ava";
import {
  FileError,
  type FitStage,
  type FitTranslatorOptions,
  fitTranslator,
  inspectTranslator,
  loadPair,
  type OverfillError,
  TranslatorError,
} from "../../lib/index.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { writtenText } from "../support/written-text.js";
import { quiet, refusal } from "./fixtures.js";

const test = anyTest as TestFn<{
  readonly folder: string;
  readonly remove: () => Promise<void>;
  readonly models: Readonly<Record<keyof typeof recipes, string>>;
  readonly text: string;
}>;

/** The prefill models differ from `decode` in the way they are named for. */
const recipes = {
  decode: { seed: 2 },
  same: { seed: 1 },
  heads: { seed: 1, nKvHeads: 4 },
  deep: { seed: 1, nLayers: 5, nKvHeads: 4 },
  headSize: { seed: 3, headSize: 64 },
  neox: { seed: 3, architecture: "qwen3" },
  sliding: { seed: 3, architecture: "gemma3", nLayers: 2, slidingWindow: { window: 16, pattern: 2 } },
  quantized: { seed: 2, weightType: "q8_0" },
  otherWords: { seed: 2, vocabEdit: (tokens: string[]) => tokens.map((old, id) => (id === 200 ? "edited" : old)) },
  narrow: { seed: 1, nKvHeads: 1, headSize: 16 },
} satisfies Record<string, TinyModelOptions>;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  const models = Object.fromEntries(
    await Promise.all(
      Object.entries(recipes).map(async ([name, recipe]) => {
        const { path } = await writeTinyModel(join(folder, `${name}.gguf`), { name, ...recipe });
        return [name, path] as const;
      }),
    ),
  ) as Record<keyof typeof recipes, string>;
  const text = join(folder, "text.txt");
  writeFileSync(text, await writtenText(models.decode));
  t.context = { folder, remove, models, text };
});
test.after.always((t) => t.context.remove?.());

type Options = Omit<FitTranslatorOptions, "prefill" | "decode" | "text" | "out">;

/** Small chunks, so that the prompt of each matters for what follows. */
const small = { ...quiet, chunkSize: 64, heldOut: 0.2, weightType: "f32" } as const satisfies Options;

for (const prefill of ["heads", "deep", "headSize", "neox", "sliding", "same"] as const) {
  test(`a fit lowers the two-stage loss against no map: prefill model "${prefill}"`, async (t) => {
    const { models, text } = t.context;
    const out = join(withTempDir(t), "t.gguf");
    const fit = await fitTranslator({
      ...small,
      prefill: { model: models[prefill] },
      decode: { model: models.decode },
      text,
      out,
    });
    const { loss, layers } = fit;
    if (!loss) return t.fail("no losses");
    t.true(loss.mapped < loss.unmapped - 0.1, JSON.stringify(loss));
    // A cache that fits in shape but is another model's is worse than no prompt.
    if (prefill === "same") t.true(loss.unmapped > loss.alone + 1, JSON.stringify(loss));
    t.deepEqual(
      layers.map(({ source }) => source),
      prefill === "deep" ? [0, 4] : [0, 1],
    );
    for (const { errorK = -1, errorV = -1 } of layers) {
      t.true(errorK >= 0 && errorK < 1, `${errorK}`);
      t.true(errorV >= 0 && errorV < 1, `${errorV}`);
    }
    // Before RoPE the first layer's K and V follow from the token alone, of which there are fewer kinds than channels.
    t.true((layers[0]?.errorK ?? 1) < 1e-3);
    t.true((layers[0]?.errorV ?? 1) < 1e-3);
    t.true((layers[1]?.errorK ?? 0) > 0.01);
    t.like(fit, {
      path: out,
      maps: "separate",
      beforeRope: true,
      weightType: "f32",
      source: { name: prefill },
      target: { name: "decode" },
      sizeBytes: statSync(out).size,
    });
    // Every character is a token, and every chunk begins with BOS.
    const chunks = Math.ceil(statSync(text).size / 63);
    t.is(fit.fitTokens + fit.heldOutTokens, statSync(text).size + chunks);
    const { heldOutTokens: _, ms: __, ...info } = fit;
    t.deepEqual(await inspectTranslator(out), info);

    await using pair = await loadPair({
      ...quiet,
      prefill: { model: models[prefill] },
      decode: { model: models.decode },
      translator: out,
    });
    await using session = await pair.createSession();
    const { handover, decode } = await session.generate("bcd012", { temperature: 0, maxTokens: 5, ignoreEos: true });
    t.is(handover.kind, "translate");
    t.is(decode.tokens, 5);
  });
}

test("a model fitted to itself loses nothing", async (t) => {
  const { models, text } = t.context;
  const out = join(withTempDir(t), "t.gguf");
  const decode = { model: models.decode };
  const { loss, layers } = await fitTranslator({ ...small, lambda: 1e-9, prefill: decode, decode, text, out });
  for (const { errorK = 1, errorV = 1 } of layers) t.true(errorK < 1e-6 && errorV < 1e-6, `${errorK} ${errorV}`);
  if (!loss) return t.fail("no losses");
  t.true(Math.abs(loss.unmapped - loss.alone) < 1e-3, JSON.stringify(loss));
  t.true(Math.abs(loss.mapped - loss.alone) < 1e-2, JSON.stringify(loss));
});

test("a translator is for all quantisations of its models, and for no others", async (t) => {
  const { models, text } = t.context;
  const out = join(withTempDir(t), "t.gguf");
  const decode = { model: models.decode };
  await fitTranslator({ ...small, prefill: { model: models.quantized }, decode, text, out });
  await using pair = await loadPair({
    ...quiet,
    prefill: decode,
    decode: { model: models.quantized },
    translator: out,
  });
  t.is(pair.info.prefill.name, "decode");
  const other = { ...quiet, prefill: { model: models.same }, decode, translator: out };
  const error = await refusal(t, "ERR_TRANSLATOR_MISMATCH", loadPair(other));
  t.true(TranslatorError.isInstance(error));
  t.regex(String(error.details.sourceFingerprint), /^llama-[0-9a-f]{16} \(quantized\) \| llama-[0-9a-f]{16}$/);
});

test("the options do what they say", async (t) => {
  const { models, text } = t.context;
  const folder = withTempDir(t);
  const run = (name: string, options: Options, prefill: keyof typeof recipes = "deep") =>
    fitTranslator({
      ...small,
      ...options,
      maxTokens: options.maxTokens ?? 2000,
      prefill: { model: models[prefill] },
      decode: { model: models.decode },
      text,
      out: join(folder, name),
    });
  const sources = ({ layers }: Awaited<ReturnType<typeof run>>) => layers.map(({ source }) => source);

  const f32 = await run("f32", {});
  t.is(f32.fitTokens + f32.heldOutTokens, 2000);
  // 31 chunks of 64 tokens and one of 16; the second of every five is held out.
  t.is(f32.heldOutTokens, 6 * 64 + 16);
  t.is((await run("half", { heldOut: 0.5 })).heldOutTokens, 15 * 64 + 16);
  t.is((await run("some", { maxTokens: 500 })).fitTokens, 500 - 2 * 64);

  const f16 = await run("f16", { weightType: "f16" });
  const q8 = await run("q8_0", { weightType: "q8_0" });
  t.is(f16.weightType, "f16");
  t.is(q8.weightType, "q8_0");
  t.true(q8.sizeBytes < f16.sizeBytes && f16.sizeBytes < f32.sizeBytes);
  t.true((f16.layers[0]?.errorV ?? 1) < 1e-2);

  const common = await run("common", { maps: "common" });
  t.is(common.maps, "common");
  t.true(common.sizeBytes < f32.sizeBytes * 0.6);
  t.true((common.layers[1]?.errorK ?? 0) + (common.layers[1]?.errorV ?? 0) > 0);

  const rotated = await run("rotated", { beforeRope: false });
  t.false(rotated.beforeRope);
  t.true((rotated.layers[0]?.errorK ?? 0) > 10 * (f32.layers[0]?.errorK ?? 1));

  t.deepEqual(sources(f32), [0, 4]);
  t.deepEqual(sources(await run("last", { layers: "last" })), [3, 4]);
  t.deepEqual(sources(await run("list", { layers: [2, 2] })), [2, 2]);
  t.deepEqual(sources(await run("same", {}, "heads")), [0, 1]);

  // A ridge as large as that leaves the bias alone, which is the mean.
  const flat = await run("flat", { lambda: 1000 });
  for (const { errorK = 0, errorV = 0 } of flat.layers) t.true(errorK > 0.9 && errorV > 0.9);
});

test("a text in pieces and with any characters is read to its end", async (t) => {
  const { models } = t.context;
  const folder = withTempDir(t);
  const run = async (content: string, name: string) => {
    writeFileSync(join(folder, name), content);
    const { fitTokens, heldOutTokens } = await fitTranslator({
      ...quiet,
      chunkSize: 512,
      prefill: { model: models.narrow },
      decode: { model: models.narrow },
      text: join(folder, name),
      out: join(folder, "t.gguf"),
    });
    return fitTokens + heldOutTokens;
  };
  // More than one piece of 64 KiB, cut at lines or else at words.
  const words = 17_000;
  t.is(await run(" the".repeat(words), "words.txt"), words + Math.ceil(words / 511));
  const line = `${" the".repeat(15)}\n`;
  t.is(await run(line.repeat(words / 16), "lines.txt"), Math.floor(words / 16) * 16 + Math.ceil(words / 511));
  const characters = Array.from({ length: 3000 }, (_, i) => String.fromCodePoint(1 + ((i * 7919) % 0xd7ff)));
  t.true((await run(characters.join(""), "characters.txt")) > 1000);
});

test("progress comes in stages, each from its beginning towards its end", async (t) => {
  const { models, text } = t.context;
  const seen: { stage: FitStage; fraction: number; tokens: number }[] = [];
  await fitTranslator({
    ...small,
    prefill: { model: models.heads },
    decode: { model: models.decode },
    text,
    out: join(withTempDir(t), "t.gguf"),
    onProgress: (progress) => seen.push(progress),
  });
  t.deepEqual([...new Set(seen.map(({ stage }) => stage))], ["loading", "reading", "solving", "measuring"]);
  for (const { fraction } of seen) t.true(fraction >= 0 && fraction <= 1);
  const reading = seen.filter(({ stage }) => stage === "reading");
  t.true(reading.length > 10);
  t.is(reading.at(-1)?.fraction, 1);
  for (const [i, { tokens }] of reading.entries()) t.true(tokens > (reading[i - 1]?.tokens ?? 0));
});

for (const stage of ["loading", "reading", "solving", "measuring"] as const) {
  test(`an abort while ${stage} rejects with the reason and leaves no file`, async (t) => {
    const { models, text } = t.context;
    const folder = withTempDir(t);
    const controller = new AbortController();
    const reason = { why: stage };
    const thrown = await fitTranslator({
      ...small,
      prefill: { model: models.deep },
      decode: { model: models.decode },
      text,
      out: join(folder, "t.gguf"),
      signal: controller.signal,
      onProgress: (progress) => progress.stage === stage && controller.abort(reason),
    }).then(
      () => undefined,
      (error: unknown) => error,
    );
    t.is(thrown, reason);
    t.deepEqual(readdirSync(folder), []);
  });
}

test("a signal that has fired stops a fit before it begins, and a callback's exception stops one that runs", async (t) => {
  const { models, text } = t.context;
  const out = join(withTempDir(t), "t.gguf");
  const options = { ...small, prefill: { model: models.heads }, decode: { model: models.decode }, text, out };
  const signal = AbortSignal.abort(new RangeError("enough"));
  await t.throwsAsync(fitTranslator({ ...options, signal }), { instanceOf: RangeError, message: "enough" });
  const onProgress = () => {
    throw new TypeError("mine");
  };
  await t.throwsAsync(fitTranslator({ ...options, onProgress }), { instanceOf: TypeError, message: "mine" });
  t.false(existsSync(out));
});

const refusals: readonly (readonly [
  title: string,
  code: ConstructorParameters<typeof OverfillError>[0],
  message: RegExp,
  options: Partial<Record<keyof FitTranslatorOptions, unknown>>,
])[] = [
  ["a text that is not there", "ERR_FILE_READ_FAILED", /none\.txt does not exist/, { text: "none.txt" }],
  ["a folder as text", "ERR_FILE_READ_FAILED", /not a file/, { text: import.meta.dirname }],
  ["a folder that is not there", "ERR_FILE_WRITE_FAILED", /cannot be written/, { out: "/none/at/all/t.gguf" }],
  ["a folder as result", "ERR_FILE_WRITE_FAILED", /is a folder/, { out: import.meta.dirname }],
  ["a model that is not there", "ERR_MODEL_NOT_FOUND", /none\.gguf/, { prefill: { model: "none.gguf" } }],
  ["no decode model", "ERR_INVALID_ARGUMENT", /options\.decode/, { decode: undefined }],
  ["an unknown option", "ERR_INVALID_ARGUMENT", /options\.fast/, { fast: true } as object],
  ["no share held out", "ERR_INVALID_ARGUMENT", /options\.heldOut/, { heldOut: 0 }],
  ["a negative lambda", "ERR_INVALID_ARGUMENT", /options\.lambda/, { lambda: -1 }],
  ["an unknown weight type", "ERR_INVALID_ARGUMENT", /options\.weightType/, { weightType: "q4_0" }],
  ["an unknown layer map", "ERR_INVALID_ARGUMENT", /options\.layers/, { layers: "middle" }],
  ["a layer map of another length", "ERR_INVALID_ARGUMENT", /options\.layers: .*has 3 layers/, { layers: [0, 1, 1] }],
  ["a layer that is not there", "ERR_INVALID_ARGUMENT", /options\.layers: .*names layer 5/, { layers: [0, 5] }],
  ["chunks longer than trained", "ERR_INVALID_ARGUMENT", /options\.chunkSize: .*512/, { chunkSize: 513 }],
  ["too few tokens", "ERR_INVALID_ARGUMENT", /options\.text: .*tokens/, { maxTokens: 60 }],
  ["a URL that is no file", "ERR_INVALID_ARGUMENT", /out: expected a path/, { out: new URL("http://a/t.gguf") }],
  ["a zero byte in a path", "ERR_INVALID_ARGUMENT", /text: expected a path/, { text: "a\0b" }],
];

for (const [title, code, message, options] of refusals) {
  test(`${title} is refused with ${code}`, async (t) => {
    const { models, text } = t.context;
    const folder = withTempDir(t);
    const usual = { prefill: { model: models.deep }, decode: { model: models.decode }, text, out: join(folder, "t") };
    const error = await refusal(t, code, fitTranslator({ ...small, ...usual, ...options } as FitTranslatorOptions));
    t.regex(error.message, message);
    if (code.startsWith("ERR_FILE")) t.true(FileError.isInstance(error));
    t.deepEqual(readdirSync(folder), []);
  });
}

test("models that are no pair, and weights that do not fill a block, are refused", async (t) => {
  const { models, text } = t.context;
  const out = join(withTempDir(t), "t.gguf");
  const run = (prefill: string, options: Options = {}) =>
    fitTranslator({ ...small, ...options, prefill: { model: prefill }, decode: { model: models.decode }, text, out });
  const words = await refusal(t, "ERR_PAIR_INCOMPATIBLE", run(models.otherWords));
  t.regex(String(words.details.vocabulary), /edited/);
  const state = join(withTempDir(t), "state.gguf");
  await writeTinyModel(state, { architecture: "mamba" });
  const memory = await refusal(t, "ERR_MODEL_UNSUPPORTED", run(state));
  t.regex(memory.message, /KV cache.*recurrent state/);
  const blocks = await refusal(t, "ERR_INVALID_ARGUMENT", run(models.narrow, { weightType: "q8_0" }));
  t.is(blocks.details.parameter, "weightType");
});

test("what is no translator is told from what is a bad one", async (t) => {
  const { models, text } = t.context;
  const folder = withTempDir(t);
  t.is(await inspectTranslator(models.decode), undefined);
  t.is(await inspectTranslator(text), undefined);
  t.is(await inspectTranslator(join(folder, "none.gguf")), undefined);
  await refusal(t, "ERR_INVALID_ARGUMENT", inspectTranslator(""));
  const out = join(folder, "t.gguf");
  const decode = { model: models.decode };
  await fitTranslator({ ...small, maxTokens: 500, prefill: { model: models.heads }, decode, text, out });
  const { size } = statSync(out);
  truncateSync(out, size - 100);
  const error = await refusal(t, "ERR_TRANSLATOR_INVALID", inspectTranslator(out));
  t.regex(error.message, /truncated/);
  const pair = { ...quiet, prefill: { model: models.heads }, decode, translator: out };
  await refusal(t, "ERR_TRANSLATOR_INVALID", loadPair(pair));
});

test("a worker that is terminated takes its fit with it", async (t) => {
  const { models, text } = t.context;
  const folder = withTempDir(t);
  // Far more text than can be read before the end.
  const long = join(folder, "long.txt");
  writeFileSync(long, readFileSync(text, "utf8").repeat(100));
  const out = join(folder, "t.gguf");
  const options = { ...small, prefill: { model: models.deep }, decode: { model: models.decode }, text: long, out };
  const program = `
    import { parentPort } from "node:worker_threads";
    import { fitTranslator } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const onProgress = ({ stage }) => stage === "reading" && parentPort.postMessage(stage);
    await fitTranslator({ ...${JSON.stringify(options)}, onProgress });`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  await once(worker, "message");
  await worker.terminate();
  t.deepEqual(readdirSync(folder), ["long.txt"]);
  // The process goes on, and so does fitting.
  const { fitTokens } = await fitTranslator({ ...options, text, maxTokens: 500 });
  t.true(fitTokens > 0);
});
