/** Padding: wider models that compute the same. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { type PadOptions, pad } from "../../lib/index.js";
import { answerAlone, distance, openPair, quiet, refusal, someTokens, traced } from "../engine/fixtures.js";
import { readGguf, tensorValues } from "../support/gguf-reader.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { hashOf, pruneExactly, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{ readonly model: string; readonly odd: string; readonly remove: () => Promise<void> }>;

/** A model of odd widths, as the paper's are. */
test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const { model, text } = await writeFull(path);
  const odd = join(path, "odd.gguf");
  const { after } = await pruneExactly({
    model,
    text,
    out: odd,
    hidden: 0.45,
    ffn: 0.45,
    multiple: 1,
    compensate: false,
  });
  t.like(after, { hiddenSize: 70, feedForwardSize: 140 });
  t.context = { model, odd, remove };
});
test.after.always((t) => t.context.remove?.());

const tight = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

test("a padded model has channels that are zero, and writes what it wrote", async (t) => {
  const { model, odd } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "padded.gguf");
  const before = hashOf(odd);
  const result = await pad({ threads: 1, model: odd, multiple: 32, out });
  t.is(hashOf(odd), before);
  t.deepEqual(readdirSync(folder), ["padded.gguf"]);
  t.like(result, {
    paths: [out],
    before: { hiddenSize: 70 },
    after: { hiddenSize: 96, feedForwardSize: 160, layers: 4, heads: 8 },
  });
  const [narrow, wide] = [await readGguf(odd), await readGguf(out)];
  const [ofNarrow, ofWide] = [narrow, wide].map((file) => tensorValues(file, "blk.1.ffn_down.weight"));
  for (const [i, value] of (ofWide ?? []).entries()) {
    const [column, row] = [i % 160, Math.floor(i / 160)];
    const expected = column < 140 && row < 70 ? ofNarrow?.[row * 140 + column] : 0;
    t.is(value, expected ?? Number.NaN);
  }

  // One cache: the parent reads, each of the two writes.
  const answerOf = async (decode: string) =>
    answerAlone(await openPair(t, { prefill: model, decode, handover: "share", ...tight }), someTokens(60), traced(24));
  const [expected, actual] = [await answerOf(odd), await answerOf(out)];
  t.deepEqual(actual.tokens, expected.tokens);
  for (const [i, step] of actual.logProbs.entries()) t.true(distance(step, expected.logProbs[i]) < 1e-3, `step ${i}`);
});

test("an odd model cannot be quantised until it is padded", async (t) => {
  const { model, odd } = t.context;
  const folder = withTempDir(t);
  const narrow = pad({ threads: 1, model: odd, multiple: 1, quantize: "q8_0", out: join(folder, "n.gguf") });
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", narrow);
  t.is(error.details.parameter, "options.quantize");
  const { after, type } = await pad({
    threads: 1,
    model: odd,
    quantize: "q8_0",
    multiple: 32,
    out: join(folder, "q.gguf"),
  });
  t.is(type, "q8_0");
  t.true(after.sizeBytes < after.parameters * 1.2);
  const pair = await openPair(t, { prefill: model, decode: join(folder, "q.gguf"), handover: "share" });
  t.is((await answerAlone(pair, someTokens(60), traced(12))).tokens.length, 12);
});

test("a model whose widths are multiples already stays as it is", async (t) => {
  const { model } = t.context;
  const out = join(withTempDir(t), "same.gguf");
  const { before, after } = await pad({ threads: 1, model, multiple: 64, out });
  t.deepEqual(after, before);
  const [original, copy] = [await readGguf(model), await readGguf(out)];
  for (const { name } of original.tensors) t.deepEqual(tensorValues(copy, name), tensorValues(original, name), name);
});

const refusals: readonly (readonly [
  title: string,
  code: Parameters<typeof refusal>[1],
  options: Partial<PadOptions>,
])[] = [
  ["a model that is not there", "ERR_MODEL_NOT_FOUND", { model: "none.gguf" }],
  ["a folder as model", "ERR_MODEL_NOT_A_FILE", { model: import.meta.dirname }],
  ["a text as model", "ERR_MODEL_INVALID", { model: import.meta.filename }],
  ["a folder that is not there", "ERR_FILE_WRITE_FAILED", { out: "/none/at/all/p.gguf" }],
];

for (const [title, code, options] of refusals)
  test(`${title} is refused with ${code}`, async (t) => {
    const folder = withTempDir(t);
    const usual = { ...quiet, model: t.context.odd, out: join(folder, "p.gguf") };
    const { gpu: _, ...rest } = usual;
    await refusal(t, code, pad({ ...rest, ...options }));
    t.deepEqual(readdirSync(folder), []);
  });

test("a model is not padded onto itself, and an abort leaves no file", async (t) => {
  const { odd } = t.context;
  const before = hashOf(odd);
  const same = await refusal(t, "ERR_INVALID_ARGUMENT", pad({ threads: 1, model: odd, out: odd }));
  t.is(same.details.parameter, "options.out");
  t.is(hashOf(odd), before);
  const folder = withTempDir(t);
  const controller = new AbortController();
  const work = pad({ threads: 1, model: odd, out: join(folder, "p.gguf"), signal: controller.signal });
  controller.abort("enough");
  t.is(await work.catch((error: unknown) => error), "enough");
  t.false(existsSync(join(folder, "p.gguf")));
  t.deepEqual(readdirSync(folder), []);
});
