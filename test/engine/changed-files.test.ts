/** A model's file that changes while a pair is open does not matter to the pair, and a mapped file computes the same. */

import { copyFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { loadPair } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { answerAlone, quiet, someTokens, traced } from "./fixtures.js";

const prompt = someTokens(40);

const changes: Readonly<Record<string, (file: string, other: string) => void>> = {
  "is replaced by another": (file, other) => renameSync(other, file),
  "is removed": (file) => unlinkSync(file),
  "is cut short": (file) => truncateSync(file, 1000),
  "is written over": (file) => writeFileSync(file, Buffer.alloc(3_000_000, 1)),
};

for (const [title, change] of Object.entries(changes))
  test(`a pair whose file ${title} answers as before`, async (t) => {
    const folder = withTempDir(t);
    const [file, other] = [join(folder, "model.gguf"), join(folder, "other.gguf")];
    await writeTinyModel(file);
    copyFileSync(file, other);
    await using pair = await loadPair({ ...quiet, prefixCache: false, prefill: { model: file } });
    const { logProbs } = await answerAlone(pair, prompt, traced(8));
    change(file, other);
    t.deepEqual((await answerAlone(pair, prompt, traced(8))).logProbs, logProbs);
  });

test("a model that is mapped answers as one that is read", async (t) => {
  const file = join(withTempDir(t), "model.gguf");
  await writeTinyModel(file);
  await using read = await loadPair({ ...quiet, prefixCache: false, prefill: { model: file, mmap: false } });
  await using mapped = await loadPair({ ...quiet, prefill: { model: file, mmap: true }, decode: { model: file } });
  const { logProbs } = await answerAlone(read, prompt, traced(8));
  t.deepEqual((await answerAlone(mapped, prompt, traced(8))).logProbs, logProbs);
});

test("mmap is true or false", async (t) => {
  const model = { model: "none.gguf", mmap: "yes" as unknown as boolean };
  await t.throwsAsync(loadPair({ prefill: model }), {
    code: "ERR_INVALID_ARGUMENT",
    message: /options\.prefill\.mmap/,
  });
});
