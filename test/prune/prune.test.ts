/** Pruned models: what stays of them, and that they pair with their parent and write. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { inspect, type PruneOptions, type PruneResult, prune } from "../../lib/index.js";
import { answerAlone, openPair, quiet, traced } from "../engine/fixtures.js";
import { type GgufContents, readGguf, tensorValues } from "../support/gguf-reader.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { exact, expectedSlice, fullShape, hashOf, prompt, pruneExactly, runsWith, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{ readonly model: string; readonly text: string; readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeFull(path)), remove };
});
test.after.always((t) => t.context.remove?.());

/** That every tensor of the pruned model is the slice of its parent's that `kept` tells. */
function holdsSlices(t: ExecutionContext, parent: GgufContents, pruned: GgufContents, { kept }: PruneResult): void {
  t.true(pruned.tensors.length > 10);
  for (const { name } of pruned.tensors)
    t.deepEqual(tensorValues(pruned, name), expectedSlice(parent, name, kept), name);
}

const isAscending = (list: readonly number[]) => list.every((value, i) => i === 0 || value > (list[i - 1] ?? 0));

test("ratio 0 gives the parent's tensors and log-probabilities", async (t) => {
  const { model } = t.context;
  const out = join(withTempDir(t), "copy.gguf");
  const result = await prune({
    ...quiet,
    ...{ hidden: 0, ffn: 0, heads: 0, kvHeads: 0, layers: 0 },
    quantize: "same",
    model,
    out,
  });
  t.deepEqual(result.after, result.before);
  t.deepEqual(result.requested, {
    ...{ hiddenSize: 128, feedForwardSize: 256, layers: 4, heads: 8, kvHeads: 2 },
  });
  t.false("calibration" in result);
  t.false("loss" in result);
  t.false(result.compensated);
  const parent = await readGguf(model);
  const copy = await readGguf(out);
  t.deepEqual(copy.tensors.map(({ name }) => name).sort(), parent.tensors.map(({ name }) => name).sort());
  for (const { name } of parent.tensors) t.deepEqual(tensorValues(copy, name), tensorValues(parent, name), name);
  const answers = [model, out].map(async (prefill) => answerAlone(await openPair(t, { prefill }), prompt, traced(12)));
  const [ofParent, ofCopy] = await Promise.all(answers);
  t.deepEqual(ofCopy?.logProbs, ofParent?.logProbs);
});

test("widths: the sizes, the slices, the losses and the notes in the file are those of the result", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "narrow.gguf");
  const before = hashOf(model);
  const result = await pruneExactly({ model, out, text, hidden: 0.45, ffn: 0.45, compensate: false });
  t.is(hashOf(model), before);
  t.deepEqual(readdirSync(folder), ["narrow.gguf"]);
  t.like(result, {
    paths: [out],
    type: "f32",
    multiple: 32,
    compensated: false,
    architecture: { before: "llama", after: "llama" },
    requested: { hiddenSize: 70, feedForwardSize: 140, layers: 4, heads: 8, kvHeads: 2 },
    after: { hiddenSize: 64, feedForwardSize: 128, layers: 4, heads: 8, kvHeads: 2 },
  });
  const { kept } = result;
  t.is(kept.hidden.length, 64);
  t.deepEqual(kept.layers, [0, 1, 2, 3]);
  t.deepEqual([kept.feedForward.length, kept.heads.length, kept.kvHeads.length], [4, 4, 4]);
  for (const list of [kept.hidden, ...kept.feedForward]) t.true(isAscending(list));
  for (const list of kept.feedForward) t.is(list.length, 128);
  for (const list of kept.heads) t.deepEqual(list, [0, 1, 2, 3, 4, 5, 6, 7]);

  const pruned = await readGguf(out);
  holdsSlices(t, await readGguf(model), pruned, result);
  t.like(pruned.metadata.get("llama.embedding_length"), { value: 64 });
  t.like(pruned.metadata.get("llama.feed_forward_length"), { value: 128 });
  t.like(pruned.metadata.get("llama.attention.key_length"), { value: 32 });
  const note = (key: string) => {
    const value = pruned.metadata.get(`overfill.${key}`);
    return value?.type === "array" ? value.values.map(Number) : value?.value;
  };
  t.deepEqual(note("prune.hidden"), kept.hidden);
  t.deepEqual(note("prune.ffn"), kept.feedForward.flat());
  t.is(note("prune.heads"), undefined);
  t.is(note("layer_map"), undefined);
  t.is(note("parent.name"), "full");
  t.is(note("parent.fingerprint"), result.parentFingerprint);
  t.is(note("prune.compensated"), false);
  t.is(note("calibration.samples"), String(result.calibration?.samples));

  t.true((result.calibration?.tokens ?? 0) > 2500);
  t.true((result.calibration?.samples ?? 0) * 64 >= (result.calibration?.tokens ?? 0));
  const { loss } = result;
  if (!loss) return t.fail("no losses");
  t.true(loss.tokens > 0 && loss.before > 0 && loss.after > 0 && loss.after !== loss.before, JSON.stringify(loss));
  const { prefill, decode } = await inspect({ prefill: { model }, decode: { model: out } });
  t.is(result.before.parameters, prefill.parameters);
  t.is(result.after.parameters, decode.parameters);
  t.is(result.after.sizeBytes, decode.sizeBytes);
  t.true(result.ms >= result.writeMs && result.calibrateMs > 0);
  await runsWith(t, model, result);
});

test("the norms are scaled for the channels that went, unless told otherwise", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const result = await pruneExactly({ model, out: join(folder, "a.gguf"), text, hidden: 64, measure: false });
  t.true(result.compensated);
  t.false("loss" in result);
  const parent = await readGguf(model);
  const pruned = await readGguf(join(folder, "a.gguf"));
  const epsilon = "llama.attention.layer_norm_rms_epsilon";
  t.like(pruned.metadata.get(epsilon), {
    value: Math.fround(2 * Number((parent.metadata.get(epsilon) as { value: number }).value)),
  });
  for (const name of ["output_norm.weight", "blk.0.attn_norm.weight", "blk.3.ffn_norm.weight"]) {
    const expected = expectedSlice(parent, name, result.kept);
    for (const [i, value] of tensorValues(pruned, name).entries())
      t.true(Math.abs(value / (Math.SQRT2 * (expected[i] ?? 0)) - 1) < 1e-6);
  }
  await runsWith(t, model, result);
});

const depths: readonly (readonly [
  title: string,
  options: Pick<PruneOptions, "layers" | "layerRule">,
  layers: readonly number[],
])[] = [
  ["half of them, the default rule", { layers: 0.5 }, [0, 3]],
  ["the first two", { layers: 2, layerRule: "first" }, [0, 1]],
  ["the last three", { layers: 3, layerRule: "last" }, [1, 2, 3]],
  ["the first and the last two", { layers: 0.25, layerRule: "firstlast" }, [0, 2, 3]],
  ["a list", { layers: [0, 1, 3] }, [0, 1, 3]],
];

for (const [title, options, layers] of depths)
  test(`depth: ${title} stay without a text, and share through a layer map`, async (t) => {
    const { model } = t.context;
    const folder = withTempDir(t);
    const result = await pruneExactly({ model, out: join(folder, "shallow.gguf"), ...options });
    t.deepEqual(result.kept.layers, layers);
    t.is(result.after.layers, layers.length);
    t.false("calibration" in result);
    // A model of these layers made from scratch has the same tensors.
    const made = await writeTinyModel(join(folder, "made.gguf"), { ...fullShape, layers });
    const [pruned, expected] = await Promise.all([readGguf(join(folder, "shallow.gguf")), readGguf(made.path)]);
    t.is(pruned.tensors.length, expected.tensors.length);
    for (const { name } of expected.tensors)
      t.deepEqual(tensorValues(pruned, name), tensorValues(expected, name), name);
    t.like(pruned.metadata.get("overfill.layer_map"), { type: "array", values: layers });
    const { plan } = await inspect({ prefill: { model }, decode: { model: join(folder, "shallow.gguf") } });
    t.deepEqual(plan.layerMap, layers);
    await runsWith(t, model, result);
  });

test("query heads go by KV head, and the cache stays shared", async (t) => {
  const { model, text } = t.context;
  const out = join(withTempDir(t), "heads.gguf");
  const result = await pruneExactly({ model, out, text, heads: 0.5, hidden: 0.25, compensate: false });
  t.like(result.after, { heads: 4, kvHeads: 2, hiddenSize: 96 });
  for (const heads of result.kept.heads) {
    t.true(isAscending(heads));
    t.deepEqual([heads.filter((head) => head < 4).length, heads.filter((head) => head >= 4).length], [2, 2]);
  }
  holdsSlices(t, await readGguf(model), await readGguf(out), result);
  await runsWith(t, model, result);
});

test("KV heads go with their query heads, and the cache is no longer the parent's", async (t) => {
  const { model, text } = t.context;
  const out = join(withTempDir(t), "kv.gguf");
  const result = await pruneExactly({ model, out, text, kvHeads: 1 });
  t.like(result.after, { heads: 4, kvHeads: 1 });
  for (const [layer, [kvHead = -1]] of result.kept.kvHeads.entries())
    t.deepEqual(
      result.kept.heads[layer],
      [0, 1, 2, 3].map((head) => 4 * kvHead + head),
    );
  holdsSlices(t, await readGguf(model), await readGguf(out), result);
  const { plan } = await inspect({ prefill: { model }, decode: { model: out } });
  t.is(plan.kind, "translate");
  t.false(plan.available);
  // By itself it writes.
  const { tokens } = await answerAlone(await openPair(t, { prefill: out }), prompt, traced(4));
  t.is(tokens.length, 4);
});

test("everything at once", async (t) => {
  const { model, text } = t.context;
  const out = join(withTempDir(t), "all.gguf");
  const sizes = { hidden: 0.5, ffn: 64, heads: 2, layers: 3, layerRule: "influence" } as const;
  const scopes = { statistic: "absolute", hiddenScope: "layers", ffnScope: "model" } as const;
  const result = await pruneExactly({ model, out, text, ...sizes, ...scopes, compensate: false });
  t.like(result.after, { hiddenSize: 64, feedForwardSize: 64, layers: 3, heads: 2, kvHeads: 2 });
  t.is(new Set(result.kept.feedForward.map((list) => list.join())).size, 1);
  holdsSlices(t, await readGguf(model), await readGguf(out), result);
  await runsWith(t, model, result);
});

for (const quantize of ["f16", "bf16", "q8_0", "q4_0", "q4_k_m", "iq4_nl"] as const)
  test(`a model is written as ${quantize}, from a quantised parent too`, async (t) => {
    const { text } = t.context;
    const folder = withTempDir(t);
    const { path: model } = await writeTinyModel(join(folder, "full.gguf"), { ...fullShape, weightType: "q8_0" });
    const out = join(folder, `${quantize}.gguf`);
    const result = await pruneExactly({ model, out, text, hidden: 0.5, ffn: 0.5, quantize });
    t.is(result.type, quantize);
    t.true(result.after.sizeBytes < result.after.parameters * (quantize.endsWith("f16") ? 2.2 : 1.2));
    const codes: Readonly<Record<string, number>> = { f16: 1, bf16: 30, q8_0: 8, q4_0: 2, iq4_nl: 20 };
    const gate = (await readGguf(out)).tensors.find(({ name }) => name === "blk.1.ffn_gate.weight");
    if (codes[quantize] !== undefined) t.is(gate?.typeCode, codes[quantize]);
    t.deepEqual(gate?.dims, [64, 128]);
    await runsWith(t, model, result);
  });

test("a target is met by widths of one ratio, or by the one that is free", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const run = (options: Partial<PruneOptions>) =>
    pruneExactly({ model, text, out: join(folder, "t.gguf"), measure: false, ...options });
  const { parameters, sizeBytes } = (await run({ hidden: 0 })).before;
  const half = await run({ targetSize: Math.floor(parameters / 2) });
  t.true(half.after.parameters <= parameters / 2 && half.after.parameters > parameters / 4);
  t.is(half.after.hiddenSize % 32, 0);
  t.true(half.after.hiddenSize < 128);
  const bytes = await run({ targetBytes: Math.floor(sizeBytes / 4), quantize: "f16" });
  t.true(bytes.after.sizeBytes <= sizeBytes / 4 && bytes.after.sizeBytes > sizeBytes / 10);
  const ffn = await run({ hidden: 128, targetSize: Math.floor(parameters * 0.8) });
  t.is(ffn.after.hiddenSize, 128);
  t.true(ffn.after.feedForwardSize < 256 && ffn.after.parameters <= parameters * 0.8);
});

test("a random choice follows from its seed and needs no text", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const run = async (seed?: number) =>
    (
      await pruneExactly({
        model,
        out: join(folder, "r.gguf"),
        hidden: 0.5,
        ffn: 0.5,
        select: "random",
        ...(seed !== undefined && { seed }),
      })
    ).kept;
  const one = await run();
  t.deepEqual(await run(1), one);
  t.notDeepEqual((await run(2)).hidden, one.hidden);
  t.notDeepEqual(one.feedForward[0], one.feedForward[1]);
});

test("the least important is what the most important is not", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const run = (select: "important" | "unimportant") =>
    pruneExactly({ model, out: join(folder, "s.gguf"), text, hidden: 0.5, ffn: 0.5, select, measure: false });
  const [best, worst] = [(await run("important")).kept, (await run("unimportant")).kept];
  const all = (n: number) => Array.from({ length: n }, (_, i) => i);
  t.deepEqual(
    [...best.hidden, ...worst.hidden].sort((a, b) => a - b),
    all(128),
  );
  t.deepEqual(
    [...(best.feedForward[2] ?? []), ...(worst.feedForward[2] ?? [])].sort((a, b) => a - b),
    all(256),
  );
});

test("the name is made from the parent's or given", async (t) => {
  const { model } = t.context;
  const out = join(withTempDir(t), "named.gguf");
  const nameOf = async (options: Partial<PruneOptions>) => {
    await pruneExactly({ model, out, layers: 2, ...options });
    return (await inspect({ prefill: { model: out } })).prefill.name;
  };
  t.regex(await nameOf({}), /full/);
  t.is(await nameOf({ name: "Small one" }), "Small one");
});

const architectures: readonly TinyModelOptions[] = [
  { architecture: "llama", tiedEmbeddings: false, ropeFreqFactors: new Float32Array(16).fill(2) },
  { architecture: "qwen2", nEmbd: 256 },
  { architecture: "qwen3" },
  { architecture: "gemma2" },
  { architecture: "gemma3" },
];

for (const { architecture = "llama", ...recipe } of architectures)
  test(`a pruned ${architecture} loads, shares and writes`, async (t) => {
    const { text } = t.context;
    const folder = withTempDir(t);
    const { path: model } = await writeTinyModel(join(folder, "full.gguf"), { ...fullShape, architecture, ...recipe });
    const result = await prune({
      ...exact,
      model,
      out: join(folder, "p.gguf"),
      text,
      hidden: 0.5,
      ffn: 0.5,
      layers: 0.5,
    });
    t.is(result.architecture.before, architecture);
    t.is(result.after.layers, 2);
    t.true((result.loss?.after ?? 0) > 0);
    await runsWith(t, model, result);
  });
