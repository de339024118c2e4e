/** Parts of a model that do nothing: pruning finds exactly those, and what the model computes stays. */

import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { type PruneOptions, prune } from "../../lib/index.js";
import { answerAlone, distance, openPair, someTokens, traced } from "../engine/fixtures.js";
import type { GgufTensor } from "../support/gguf-writer.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { exact, fullShape, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{ readonly text: string; readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { text: (await writeFull(path)).text, remove };
});
test.after.always((t) => t.context.remove?.());

const isDead = (index: number) => index % 4 === 1;
const living = (n: number) => Array.from({ length: n }, (_, i) => i).filter((i) => !isDead(i));

/** Zeroes the rows or the columns that are dead. */
function silence(tensor: GgufTensor, axis: "rows" | "columns"): GgufTensor {
  const [nColumns = 1] = tensor.dims;
  const index = (i: number) => (axis === "columns" ? i % nColumns : Math.floor(i / nColumns));
  return { ...tensor, values: tensor.values.map((value, i) => (isDead(index(i)) ? 0 : value)) };
}

/** A quarter of the hidden channels is never written to. */
const deadHidden = (tensors: GgufTensor[]) =>
  tensors.map((tensor) => {
    if (tensor.name === "token_embd.weight") return silence(tensor, "columns");
    return /attn_output|ffn_down/.test(tensor.name) ? silence(tensor, "rows") : tensor;
  });

/** A quarter of every layer's feed-forward channels has a gate that is shut. */
const deadFfn = (tensors: GgufTensor[]) =>
  tensors.map((tensor) => (/ffn_gate/.test(tensor.name) ? silence(tensor, "rows") : tensor));

/** Layer 2 adds nothing. */
const deadLayer = (tensors: GgufTensor[]) =>
  tensors.map((tensor) =>
    /^blk\.2\.(attn_output|ffn_down)/.test(tensor.name) ? { ...tensor, values: tensor.values.map(() => 0) } : tensor,
  );

/** What both models write to one prompt, computed as tightly as llama.cpp can. */
async function writesTheSame(t: ExecutionContext, model: string, pruned: string): Promise<void> {
  const tight = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
  const answerOf = async (prefill: string) =>
    answerAlone(await openPair(t, { prefill, ...tight }), someTokens(60), traced(24));
  const [expected, actual] = [await answerOf(model), await answerOf(pruned)];
  t.deepEqual(actual.tokens, expected.tokens);
  for (const [i, step] of actual.logProbs.entries()) t.true(distance(step, expected.logProbs[i]) < 1e-3, `step ${i}`);
}

const cases: readonly (readonly [
  title: string,
  plant: (tensors: GgufTensor[]) => GgufTensor[],
  options: Partial<PruneOptions>,
])[] = [
  ["hidden channels", deadHidden, { hidden: 0.25 }],
  ["hidden channels, by the mean of their size", deadHidden, { hidden: 96, statistic: "absolute" }],
  ["hidden channels, by layer", deadHidden, { hidden: 96, hiddenScope: "layers" }],
  ["feed-forward channels", deadFfn, { ffn: 0.25 }],
  ["feed-forward channels, by the mean of their size", deadFfn, { ffn: 192, statistic: "absolute" }],
  ["feed-forward channels, common to all layers", deadFfn, { ffn: 192, ffnScope: "model" }],
  ["a layer", deadLayer, { layers: 3, layerRule: "influence" }],
  [
    "channels of both kinds and a layer",
    (tensors) => deadHidden(deadFfn(deadLayer(tensors))),
    { hidden: 96, ffn: 192, layers: 3, layerRule: "influence" },
  ],
];

for (const [title, tensorEdit, options] of cases)
  test(`${title} that do nothing are what goes, and the answers stay`, async (t) => {
    const folder = withTempDir(t);
    const { path: model } = await writeTinyModel(join(folder, "full.gguf"), { ...fullShape, tensorEdit });
    const out = join(folder, "pruned.gguf");
    const { kept, loss } = await prune({ ...exact, model, out, text: t.context.text, ...options });
    if (options.hidden !== undefined) t.deepEqual(kept.hidden, living(128));
    if (options.ffn !== undefined) for (const list of kept.feedForward) t.deepEqual(list, living(256));
    if (options.layers !== undefined) t.deepEqual(kept.layers, [0, 1, 3]);
    t.true(Math.abs((loss?.after ?? 9) - (loss?.before ?? 0)) < 1e-4, JSON.stringify(loss));
    await writesTheSame(t, model, out);
  });

test("without compensation the norms notice the channels that went", async (t) => {
  const folder = withTempDir(t);
  const { path: model } = await writeTinyModel(join(folder, "full.gguf"), { ...fullShape, tensorEdit: deadHidden });
  const options = { ...exact, model, text: t.context.text, hidden: 0.25, compensate: false };
  const { loss, kept } = await prune({ ...options, out: join(folder, "pruned.gguf") });
  t.deepEqual(kept.hidden, living(128));
  // A random model may well become the better for it.
  t.true(Math.abs((loss?.after ?? 0) - (loss?.before ?? 0)) > 1e-3, JSON.stringify(loss));
});
