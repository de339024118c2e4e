/** Models in several files, as what is written and as what is pruned. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { pad } from "../../lib/index.js";
import { openPair } from "../engine/fixtures.js";
import type { GgufMetadata } from "../support/gguf-format.js";
import { readGguf, tensorValues } from "../support/gguf-reader.js";
import { writeGguf } from "../support/gguf-writer.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { tinyModel } from "../support/tiny-model.js";
import { fullShape, hashOf, pruneExactly, runsWith, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{ readonly model: string; readonly text: string; readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeFull(path)), remove };
});
test.after.always((t) => t.context.remove?.());

test("a model in parts is written and paired like one in one file", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const sizes = { hidden: 0.5, ffn: 0.5 } as const;
  const whole = await pruneExactly({ model, text, out: join(folder, "whole.gguf"), ...sizes });
  const parts = await pruneExactly({ model, text, out: join(folder, "parts.gguf"), maxPartBytes: "100KB", ...sizes });
  const n = parts.paths.length;
  t.true(n > 1);
  const number = (i: number) => String(i).padStart(5, "0");
  t.deepEqual(
    parts.paths,
    Array.from({ length: n }, (_, i) => join(folder, `parts-${number(i + 1)}-of-${number(n)}.gguf`)),
  );
  t.is(readdirSync(folder).length, n + 1);
  for (const path of parts.paths) t.true(statSync(path).size > 0);
  t.deepEqual(parts.kept, whole.kept);
  t.deepEqual(parts.after, whole.after);
  await runsWith(t, model, parts);
});

/** Writes the full model as two files, the way that llama.cpp splits them, and gives their paths. */
async function writeSplit(folder: string): Promise<readonly [string, string]> {
  const { file } = await tinyModel(fullShape);
  const { metadata, tensors } = file;
  const half = Math.floor(tensors.length / 2);
  const splitKeys = (part: number): GgufMetadata => [
    ["split.no", { type: "u16", value: part }],
    ["split.count", { type: "u16", value: 2 }],
    ["split.tensors.count", { type: "i32", value: tensors.length }],
  ];
  const paths = [join(folder, "full-00001-of-00002.gguf"), join(folder, "full-00002-of-00002.gguf")] as const;
  await writeGguf(paths[0], { metadata: [...metadata, ...splitKeys(0)], tensors: tensors.slice(0, half) });
  await writeGguf(paths[1], { metadata: splitKeys(1), tensors: tensors.slice(half) });
  return paths;
}

test("a parent in parts is pruned like one in one file, and its parts stay as they are", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const paths = await writeSplit(folder);
  const pair = await openPair(t, { prefill: paths[0] });
  t.is(pair.info.prefill.layers, 4);
  const before = paths.map(hashOf);
  const sizes = { text, hidden: 0.5, ffn: 0.5, layers: 3 } as const;
  const ofParts = await pruneExactly({ model: paths[0], out: join(folder, "a.gguf"), ...sizes });
  const ofWhole = await pruneExactly({ model, out: join(folder, "b.gguf"), ...sizes });
  t.deepEqual(paths.map(hashOf), before);
  t.deepEqual(ofParts.kept, ofWhole.kept);
  t.deepEqual([ofParts.before, ofParts.after], [ofWhole.before, ofWhole.after]);
  const [a, b] = [await readGguf(join(folder, "a.gguf")), await readGguf(join(folder, "b.gguf"))];
  t.is(a.tensors.length, b.tensors.length);
  for (const { name } of b.tensors) t.deepEqual(tensorValues(a, name), tensorValues(b, name), name);
  t.deepEqual(
    [...a.metadata.keys()].filter((key) => key.startsWith("split.")),
    [],
  );
  await runsWith(t, paths[0], ofParts);

  const padded = await pad({ threads: 1, model: paths[0], multiple: 96, out: join(folder, "padded.gguf") });
  t.like(padded.after, { hiddenSize: 192, feedForwardSize: 288 });
});
