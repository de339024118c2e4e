/** Quantised models from JavaScript: what is written, what is told of it, and that it shares the original's cache. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import {
  measureImportance,
  measureImportanceMatrix,
  type PruneProgress,
  type QuantizeOptions,
  quantizationTypes,
  quantize,
} from "../../lib/index.js";
import { answerAlone, openPair, refusal, someTokens, traced } from "../engine/fixtures.js";
import { readGguf } from "../support/gguf-reader.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { writtenText } from "../support/written-text.js";
import { hashOf } from "./fixtures.js";

const test = anyTest as TestFn<{
  readonly model: string;
  readonly text: string;
  readonly matrix: string;
  readonly remove: () => Promise<void>;
}>;

const quiet = { threads: 1, gpu: false } as const;

/** A model of widths that every type can have, a text that it wrote, and the importance of its weights on it. */
test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "wide.gguf");
  await writeTinyModel(model, { nLayers: 1, nEmbd: 256, nFf: 256, nHeads: 4, nKvHeads: 2, headSize: 64 });
  const text = join(path, "text.txt");
  writeFileSync(text, await writtenText(model, { answers: 8 }));
  const matrix = join(path, "wide.imatrix.gguf");
  await measureImportanceMatrix({ ...quiet, model, text, out: matrix, window: 64 });
  t.context = { model, text, matrix, remove };
});
test.after.always((t) => t.context.remove?.());

test("a quantised model is smaller, says what became of its tensors, and writes on the original's cache", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "q.gguf");
  const before = hashOf(model);
  const result = await quantize({ model, out, type: "q4_k_m", threads: 1 });
  t.is(hashOf(model), before);
  t.deepEqual(readdirSync(folder), ["q.gguf"]);
  t.like(result, { paths: [out], type: "q4_k_m", fallbacks: [] });
  t.false("weightedTensors" in result);
  t.true(result.after.bitsPerWeight > 4.5 && result.after.bitsPerWeight < 6.6);
  t.is(result.before.bitsPerWeight, 32);
  const written = await readGguf(out);
  t.deepEqual(
    result.tensors.map(({ name }) => name),
    written.tensors.map(({ name }) => name),
  );
  t.like(
    result.tensors.find(({ name }) => name === "blk.0.ffn_up.weight"),
    { shape: [256, 256], before: "f32", after: "q4_k" },
  );

  const pair = await openPair(t, { prefill: model, decode: out, handover: "share" });
  const { tokens } = await answerAlone(pair, someTokens(40), traced(12));
  t.is(tokens.length, 12);
});

test("every type is made that says so, by an importance matrix where it says that it needs one", async (t) => {
  const { model, matrix } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "q.gguf");
  for (const { name: type, importance } of quantizationTypes()) {
    const options: QuantizeOptions = { model, out, type, threads: 2 };
    if (importance === "needed") {
      const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", quantize(options), type);
      t.is(details.parameter, "options.importance");
    }
    const { weightedTensors } = await quantize({ ...options, importance: matrix });
    t.is((weightedTensors ?? 0) > 0, importance !== "unused", type);
  }
  t.deepEqual(readdirSync(folder), ["q.gguf"]);
});

test("an importance matrix changes what is written, and two of them can be merged", async (t) => {
  const { model, text, matrix } = t.context;
  const folder = withTempDir(t);
  const [plain, weighted] = [join(folder, "plain.gguf"), join(folder, "weighted.gguf")];
  await quantize({ model, out: plain, type: "q4_k_s", threads: 1 });
  await quantize({ model, out: weighted, type: "q4_k_s", importance: matrix, threads: 1 });
  t.not(hashOf(plain), hashOf(weighted));
  const stages = new Set<string>();
  const onProgress = ({ stage }: PruneProgress) => stages.add(stage);
  const merged = await measureImportanceMatrix({
    ...{ ...quiet, model, text, merge: matrix, out: join(folder, "m.gguf"), window: 64, onProgress },
  });
  t.deepEqual([...stages], ["loading", "calibrating", "writing"]);
  t.like(merged, { tensors: 7, window: 64, texts: ["text.txt", "text.txt"], unseenMatrices: 0 });
  t.is(merged.samples * 64, 2 * merged.tokens);
});

test("types of tensors, parts and a second quantisation", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const { tensors, paths } = await quantize({
    ...{ model, out: join(folder, "q.gguf"), type: "q4_0", threads: 1, maxPartBytes: "100KB" },
    ...{ tensorTypes: { "attn_v|ffn_up": "f16", attn: "q6_k" }, outputTensorType: "bf16", tokenEmbeddingType: "q5_1" },
  });
  const typeOf = (name: string) => tensors.find((tensor) => tensor.name === `${name}.weight`)?.after;
  t.deepEqual(["blk.0.attn_v", "blk.0.attn_q", "blk.0.ffn_up", "blk.0.ffn_down"].map(typeOf), [
    ...["f16", "q6_k", "f16", "q4_0"],
  ]);
  t.is(typeOf("token_embd"), "q5_1");
  t.true(paths.length > 2);
  t.deepEqual(paths, paths.filter(existsSync));
  const again = { model: paths[0] ?? "", out: join(folder, "again.gguf"), type: "q2_k", threads: 1 } as const;
  const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", quantize(again));
  t.is(details.parameter, "options.allowRequantize");
  t.is((await quantize({ ...again, allowRequantize: true })).paths.length, 1);
  const joined = await quantize({ ...again, type: "copy", out: join(folder, "joined.gguf") });
  t.deepEqual(
    joined.tensors.map(({ after }) => after),
    tensors.map(({ after }) => after),
  );
});

test("narrow models fall back, which is told", async (t) => {
  const folder = withTempDir(t);
  const { path: model } = await writeTinyModel(join(folder, "narrow.gguf"), {});
  const { fallbacks, tensors } = await quantize({ model, out: join(folder, "q.gguf"), type: "q4_k_m", threads: 1 });
  t.true(fallbacks.length > 5 && fallbacks.length < tensors.length);
  t.like(
    fallbacks.find(({ name }) => name === "blk.0.attn_q.weight"),
    { before: "f32", after: "q5_0", wanted: "q4_k" },
  );
});

test("an importance matrix of another model, and an importance file of pruning, are refused with a code", async (t) => {
  const { model, matrix, text } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "q.gguf");
  const { path: other } = await writeTinyModel(join(folder, "other.gguf"), {});
  await refusal(t, "ERR_IMPORTANCE_MISMATCH", quantize({ model: other, out, type: "q4_0", importance: matrix }));
  await refusal(t, "ERR_IMPORTANCE_INVALID", quantize({ model, out, type: "q4_0", importance: other }));
  const pruning = join(folder, "pruning.gguf");
  await measureImportance({ ...quiet, model, text, out: pruning, window: 64, maxSamples: 1 });
  const { message } = await refusal(
    t,
    "ERR_IMPORTANCE_INVALID",
    quantize({ model, out, type: "q4_0", importance: pruning }),
  );
  t.regex(message, /which pruning goes by/);
  t.deepEqual(readdirSync(folder).sort(), ["other.gguf", "pruning.gguf"]);
});

test("a signal ends the work, the file that was there stays, and the event loop goes on meanwhile", async (t) => {
  const { model, matrix } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "q.gguf");
  writeFileSync(out, "before");
  const controller = new AbortController();
  const reason = new Error("enough");
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  t.teardown(() => clearInterval(timer));
  const onProgress = () => {
    if (turns > 0) controller.abort(reason);
  };
  // The slowest type there is, so that there is something to end.
  const options = { model, out, type: "iq1_m", importance: matrix, threads: 1 } as const;
  const stopped = quantize({ ...options, signal: controller.signal, onProgress });
  t.is(await t.throwsAsync(stopped), reason);
  t.true(turns > 0);
  t.is(readFileSync(out, "utf8"), "before");
  t.deepEqual(readdirSync(folder), ["q.gguf"]);
  t.is(await t.throwsAsync(quantize({ ...options, signal: AbortSignal.abort(reason) })), reason);
});
