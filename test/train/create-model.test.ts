/** Models with random weights: what shape they have, that llama.cpp loads them, and what is refused. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { type CreateModelOptions, createModel, inspect, type OverfillErrorCode } from "../../lib/index.js";
import { answerAlone, greedy, openPair, refusal } from "../engine/fixtures.js";
import { text } from "../support/gguf-format.js";
import { readGguf } from "../support/gguf-reader.js";
import { writeGguf } from "../support/gguf-writer.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { vocabFile } from "../support/vocab-files.js";
import { hashOf, type TrainingFiles, writeTrainingFiles } from "./fixtures.js";

const test = anyTest as TestFn<TrainingFiles & { readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeTrainingFiles(path)), remove };
});
test.after.always((t) => t.context.remove?.());

const shape = { hiddenSize: 64, feedForwardSize: 96, layers: 3, heads: 4, kvHeads: 2 };

test("a new model has the shape that was asked for and another's tokenizer, and writes text", async (t) => {
  const tokenizer = t.context.model;
  const out = join(withTempDir(t), "new.gguf");
  const result = await createModel({ ...shape, out, tokenizer, headSize: 32, contextSize: 128, name: "New" });
  t.is(result.path, out);
  t.is(result.sizeBytes, readFileSync(out).length);
  const { prefill } = await inspect({ prefill: { model: out } });
  t.like(prefill, {
    ...shape,
    architecture: "llama",
    name: "New",
    trainedContextSize: 128,
    headSizeK: 32,
    headSizeV: 32,
  });
  t.is(prefill.parameters, result.parameters);
  const other = await inspect({ prefill: { model: tokenizer } });
  t.is(prefill.vocabularySize, other.prefill.vocabularySize);
  const pair = await openPair(t, { prefill: out });
  t.is((await answerAlone(pair, "bcd", { ...greedy, maxTokens: 5, ignoreEos: true })).tokens.length, 5);
});

test("an abort ends the making, and leaves nothing of the file", async (t) => {
  const folder = withTempDir(t);
  const controller = new AbortController();
  const reason = new Error("enough");
  // Half a gigabyte of numbers to be drawn, which takes seconds: the abort comes first.
  const large = { hiddenSize: 1024, feedForwardSize: 4096, layers: 8, heads: 8, kvHeads: 8 };
  const made = createModel({
    ...large,
    out: join(folder, "new.gguf"),
    tokenizer: t.context.model,
    signal: controller.signal,
  });
  setImmediate(() => controller.abort(reason));
  t.is(await t.throwsAsync(made), reason);
  t.deepEqual(readdirSync(folder), []);
});

test("equal seeds give equal files", async (t) => {
  const folder = withTempDir(t);
  const tokenizer = t.context.model;
  const hashes: string[] = [];
  for (const [i, seed] of [1, 1, 2].entries()) {
    const out = join(folder, `${i}.gguf`);
    await createModel({ ...shape, out, tokenizer, seed, name: "same" });
    hashes.push(hashOf(out));
  }
  t.is(hashes[0], hashes[1]);
  t.not(hashes[0], hashes[2]);
});

test("types and an output matrix of its own are written", async (t) => {
  const tokenizer = t.context.model;
  for (const type of ["f32", "f16", "bf16"] as const)
    for (const tiedOutput of [true, false]) {
      const out = join(withTempDir(t), "new.gguf");
      await createModel({ ...shape, out, tokenizer, type, tiedOutput });
      const { tensors } = await readGguf(out);
      t.is(tensors.find(({ name }) => name === "blk.0.ffn_down.weight")?.type, type);
      t.is(
        tensors.some(({ name }) => name === "output.weight"),
        !tiedOutput,
      );
      await openPair(t, { prefill: out });
    }
});

test("a file that holds a vocabulary only gives its tokenizer, a file without a vocabulary none", async (t) => {
  const folder = withTempDir(t);
  const out = join(folder, "new.gguf");
  const vocabulary = vocabFile("gpt-2");
  await createModel({ ...shape, out, tokenizer: vocabulary });
  const [made, from] = await Promise.all([readGguf(out), readGguf(vocabulary)]);
  t.deepEqual(made.metadata.get("tokenizer.ggml.tokens"), from.metadata.get("tokenizer.ggml.tokens"));
  await openPair(t, { prefill: out });

  const empty = join(folder, "empty.gguf");
  await writeGguf(empty, { metadata: [["general.architecture", text("llama")]], tensors: [] });
  await refusal(t, "ERR_MODEL_INVALID", createModel({ ...shape, out, tokenizer: empty }));
});

const refusals: readonly (readonly [title: string, code: OverfillErrorCode, options: Partial<CreateModelOptions>])[] = [
  ["a tokenizer that is not there", "ERR_MODEL_NOT_FOUND", { tokenizer: "none.gguf" }],
  ["a text as tokenizer", "ERR_MODEL_INVALID", { tokenizer: import.meta.filename }],
  ["a folder that is not there", "ERR_FILE_WRITE_FAILED", { out: "/none/at/all/new.gguf" }],
];

for (const [title, code, options] of refusals)
  test(`${title} is refused with ${code}`, async (t) => {
    const folder = withTempDir(t);
    const out = join(folder, "new.gguf");
    await refusal(t, code, createModel({ ...shape, out, tokenizer: t.context.model, ...options }));
    t.deepEqual(readdirSync(folder), []);
  });
