/** What the slow reference of pruning must keep, whatever the architecture: the function, where what goes is dead. */

import test from "ava";
import fc from "fast-check";
import { decodeGguf, type GgufContents } from "./gguf-reader.js";
import { encodeGguf, type GgufFile, type GgufTensor } from "./gguf-writer.js";
import { gaussian, mulberry32 } from "./random.js";
import type { Vector } from "./reference-arithmetic.js";
import { type ForwardPass, referenceForward } from "./reference-forward.js";
import { referenceImportance, topHeads, topIndices } from "./reference-importance.js";
import { type ReferenceShape, referenceModel } from "./reference-model.js";
import { carriedBy, type Kept, keepAll, referenceSlice, type SliceOptions } from "./reference-slicing.js";
import { type Architecture, tinyModel } from "./tiny-model.js";
import { architectures } from "./tiny-model-architectures.js";

const tokens = [40, 187, 92, 60, 144, 71, 199, 55, 130, 108];

/** Four heads on two KV heads, small enough for the slow pass. */
async function smallModel(architecture: Architecture, edit?: (tensors: GgufTensor[]) => GgufTensor[]) {
  const { file } = await tinyModel({
    architecture,
    nHeads: 4,
    headSize: 8,
    nEmbd: 32,
    nFf: 48,
    slidingWindow: { window: 4, pattern: 2 },
    ...(edit && { tensorEdit: edit }),
  });
  const contents = reread(file);
  return { file, contents, shape: referenceModel(contents).shape };
}

const reread = (file: GgufFile): GgufContents => decodeGguf(encodeGguf(file).bytes);

const logitsOf = (contents: GgufContents) => referenceForward(contents, tokens).logits;

const sliced = (contents: GgufContents, kept: Kept, options?: SliceOptions) =>
  reread(referenceSlice(contents, kept, options));

function largestDifference(a: readonly Vector[], b: readonly Vector[]): number {
  return Math.max(...a.flatMap((row, i) => [...row].map((x, j) => Math.abs(x - (b[i]?.[j] ?? Number.NaN)))));
}

/** What rounding weights to f32 may change. GELU, from its table of halves, makes more of it. */
const toleranceOf = (architecture: Architecture) => (architecture.startsWith("gemma") ? 1e-3 : 2e-5);

/** Changes nothing at all. */
const exactly = { compensateQkNorms: true } as const;

/**
 * Without that, one epsilon serves the norms of queries and keys too, whose width has not changed: it then shifts them by a
 * part in some thousands, where they are as small as here.
 */
const qkTolerance = 1e-2;

/** Sets what `isDead` names to zero: by the tensor's name without its layer, and an index of its [column, row]. */
const killing =
  (isDead: (name: string, column: number, row: number) => boolean) =>
  (tensors: GgufTensor[]): GgufTensor[] =>
    tensors.map((tensor) => {
      const name = tensor.name.replace(/^blk\.\d+\./, "");
      const columns = tensor.dims[0] ?? 1;
      const values = tensor.values.map((value, i) => (isDead(name, i % columns, Math.floor(i / columns)) ? 0 : value));
      return { ...tensor, values };
    });

const without = (count: number, dead: readonly number[]) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => !dead.includes(i));
const everywhere = <T>({ nLayers }: ReferenceShape, value: T) => Array.from({ length: nLayers }, () => value);

for (const architecture of architectures) {
  const tolerance = toleranceOf(architecture);

  test(`${architecture}: keeping everything changes nothing`, async (t) => {
    const { file, contents, shape } = await smallModel(architecture);
    for (const compensate of [true, false]) {
      const same = referenceSlice(contents, keepAll(shape), { compensate });
      t.deepEqual(same.tensors, [...file.tensors]);
      // MiniCPM's scales become keys, in f32.
      t.true(largestDifference(logitsOf(contents), logitsOf(reread(same))) < 1e-6);
    }
  });

  test(`${architecture}: dead hidden channels go without a trace, if the norms are compensated`, async (t) => {
    const dead = [0, 3, 4, 17, 30, 31];
    const { contents, shape } = await smallModel(
      architecture,
      killing((name, column, row) => {
        if (name === "token_embd.weight") return dead.includes(column);
        if (name === "attn_output.weight" || name === "ffn_down.weight") return dead.includes(row);
        return (name === "attn_output.bias" || name === "ffn_down.bias") && dead.includes(column);
      }),
    );
    const kept = { ...keepAll(shape), hidden: without(shape.nEmbd, dead) };
    const before = logitsOf(contents);
    const compensated = largestDifference(before, logitsOf(sliced(contents, kept, exactly)));
    t.true(compensated < tolerance, `${compensated}`);
    const nearly = largestDifference(before, logitsOf(sliced(contents, kept)));
    t.true(nearly < qkTolerance, `${nearly}`);
    const plain = largestDifference(before, logitsOf(sliced(contents, kept, { compensate: false })));
    t.true(plain > 5 * nearly && plain > 0.05, `${plain}`);
  });

  test(`${architecture}: dead FFN channels go without a trace`, async (t) => {
    const dead = [1, 2, 40, 47];
    const { contents, shape } = await smallModel(
      architecture,
      killing((name, column) => name === "ffn_down.weight" && dead.includes(column)),
    );
    const kept = { ...keepAll(shape), ffn: everywhere(shape, without(shape.nFf, dead)) };
    const difference = largestDifference(logitsOf(contents), logitsOf(sliced(contents, kept)));
    t.true(difference < 1e-6, `${difference}`);
  });

  test(`${architecture}: dead heads go without a trace`, async (t) => {
    const dead = [1, 2];
    const inDead = (i: number) => i < 32 && dead.includes(Math.floor(i / 8));
    const { contents, shape } = await smallModel(
      architecture,
      killing((name, column, row) => {
        if (name === "attn_output.weight") return inDead(column);
        // A norm of all queries counts those of dead heads too.
        return architecture === "olmo2" && name === "attn_q.weight" && inDead(row);
      }),
    );
    const kept = { ...keepAll(shape), heads: everywhere(shape, without(shape.nHeads, dead)) };
    const difference = largestDifference(logitsOf(contents), logitsOf(sliced(contents, kept, exactly)));
    t.true(difference < (architecture === "olmo2" ? tolerance : 1e-6), `${difference}`);
  });

  test(`${architecture}: padding changes nothing`, async (t) => {
    const { contents, shape } = await smallModel(architecture);
    const padded = sliced(contents, keepAll(shape), { ...exactly, counts: { hidden: 64, ffn: 64 } });
    t.like(referenceModel(padded).shape, { nEmbd: 64, nFf: 64, nHeads: 4 });
    const difference = largestDifference(logitsOf(contents), logitsOf(padded));
    t.true(difference < tolerance, `${difference}`);
  });
}

test("dead KV heads go with their groups, without a trace", async (t) => {
  const { contents, shape } = await smallModel(
    "phi3",
    killing((name, column) => name === "attn_output.weight" && column < 16),
  );
  const kept = { ...keepAll(shape), heads: everywhere(shape, [2, 3]), kvHeads: everywhere(shape, [1]) };
  const difference = largestDifference(logitsOf(contents), logitsOf(sliced(contents, kept)));
  t.true(difference < 1e-6, `${difference}`);
});

test("dead layers go without a trace, and the windows of those that stay with them", async (t) => {
  const { file } = await tinyModel({ architecture: "gemma3", nLayers: 5, slidingWindow: { window: 3, pattern: 3 } });
  const dead = /^blk\.[13]\.(attn_output|ffn_down)\./;
  const tensors = file.tensors.map((tensor) =>
    dead.test(tensor.name) ? { ...tensor, values: tensor.values.map(() => 0) } : tensor,
  );
  const contents = reread({ ...file, tensors });
  const all = keepAll(referenceModel(contents).shape);
  const layers = [0, 2, 4];
  const cut = sliced(contents, {
    ...all,
    layers,
    ffn: all.ffn.slice(2),
    heads: all.heads.slice(2),
    kvHeads: all.kvHeads.slice(2),
  });
  t.is(largestDifference(logitsOf(contents), logitsOf(cut)), 0);
});

const carriers = [
  ["qwen2", "exaone"],
  ["phi3", "exaone"],
  ["internlm2", "llama"],
  ["xverse", "llama"],
  ["baichuan", "llama"],
  ["exaone", "seed_oss"],
] as const;

for (const [architecture, carrier] of carriers) {
  test(`${architecture} carried by ${carrier} computes the same`, async (t) => {
    const { contents, shape } = await smallModel(architecture);
    const kept = { ...keepAll(shape), hidden: [1, 5, 6, 20], ffn: everywhere(shape, [0, 1, 7, 40]) };
    const slice = referenceSlice(contents, kept);
    t.deepEqual(logitsOf(reread(carriedBy(carrier, slice))), logitsOf(reread(slice)));
  });
}

test("a fused matrix is taken apart into what the separate ones of another architecture hold", async (t) => {
  const { contents, shape } = await smallModel("phi3");
  const { tensors } = carriedBy("exaone", referenceSlice(contents, keepAll(shape)));
  const byName = (a: GgufTensor, b: GgufTensor) => (a.name < b.name ? -1 : 1);
  t.deepEqual([...tensors].sort(byName), [...(await smallModel("exaone")).file.tensors].sort(byName));
});

test("what is left after two cuts is what is left after one of both", async (t) => {
  const { contents, shape } = await smallModel("granite");
  const subset = (size: number) =>
    fc.uniqueArray(fc.nat(size - 1), { minLength: 1 }).map((list) => list.sort((a, b) => a - b));
  const subsets = fc.record({ hidden: subset(shape.nEmbd), ffn: subset(shape.nFf), layers: subset(shape.nLayers) });
  const cut = (from: GgufContents, { hidden, ffn, layers }: { hidden: number[]; ffn: number[]; layers: number[] }) => {
    const all = keepAll(referenceModel(from).shape);
    const own = <T>(list: readonly T[]) => layers.map((layer) => list[layer] as T);
    const kept = {
      ...all,
      hidden,
      layers,
      ffn: layers.map(() => ffn),
      heads: own(all.heads),
      kvHeads: own(all.kvHeads),
    };
    return sliced(from, kept, { compensate: false });
  };
  fc.assert(
    fc.property(subsets, fc.gen(), (first, gen) => {
      const once = cut(contents, first);
      const second = {
        hidden: gen(subset, first.hidden.length),
        ffn: gen(subset, first.ffn.length),
        layers: gen(subset, first.layers.length),
      };
      const of = (all: readonly number[], some: readonly number[]) => some.map((i) => all[i] as number);
      const both = {
        hidden: of(first.hidden, second.hidden),
        ffn: of(first.ffn, second.ffn),
        layers: of(first.layers, second.layers),
      };
      t.deepEqual(cut(once, second).bytes, cut(contents, both).bytes);
    }),
    { numRuns: 20 },
  );
  t.pass();
});

test("what is dead has no importance, and what is measured twice a factor of sqrt(2)", async (t) => {
  const dead = [5, 6];
  const { contents, shape } = await smallModel(
    "llama",
    killing((name, column, row) => {
      if (name === "token_embd.weight") return dead.includes(column);
      if (name === "attn_output.weight" || name === "ffn_down.weight") return dead.includes(row);
      if (name === "ffn_up.weight") return dead.includes(row);
      return name === "attn_v.weight" && row < 8;
    }),
  );
  const passes = [tokens, tokens.slice(0, 6)].map((window) => referenceForward(contents, window));
  const once = referenceImportance(shape, passes);
  const twice = referenceImportance(shape, [...passes, ...passes]);
  const zeros = (scores: Vector) => [...scores.keys()].filter((i) => scores[i] === 0);
  for (const mean of ["signed", "absolute"] as const) {
    t.deepEqual(zeros(once.hidden[mean]), dead);
    for (const layer of once.feedForward[mean]) t.deepEqual(zeros(layer), dead);
    once.hidden[mean].forEach((score, i) => {
      t.true(Math.abs((twice.hidden[mean][i] ?? 0) - score * Math.SQRT2) < 1e-9);
      t.true((once.hidden.signed[i] as number) <= (once.hidden.absolute[i] as number));
    });
  }
  for (const layer of once.heads) t.deepEqual(zeros(layer), [0, 1]);
  once.blockInfluence.forEach((influence, i) => {
    t.true(influence > 0 && influence < 2);
    t.true(Math.abs(influence - (twice.blockInfluence[i] ?? 0)) < 1e-12);
  });
});

test("importance follows its formulas on activations that are written down", (t) => {
  const rows = (...values: number[][]) => values.map((row) => Float64Array.from(row));
  const pass = (sign: number): ForwardPass => ({
    logits: [],
    layers: [
      {
        input: rows([1, 0], [0, 2]),
        output: rows([0, 3], [0, 5]),
        attentionNorm: rows([1, -2 * sign], [3, 2]),
        ffnNorm: rows([-5, 0], [1, 0]),
        heads: rows([3, 4, 0, 2], [0, 0, 6, 8]),
        ffn: rows([2, -1, 0], [-2, -3, 8]),
      },
    ],
  });
  const shape = { nEmbd: 2, nFf: 3, nHeads: 2, nKvHeads: 1, nLayers: 1, headSizeK: 2, headSizeV: 2 };
  const measured = referenceImportance({ ...shape, architecture: "llama", eps: 0 }, [pass(1), pass(-1)]);
  // Sample one has the means (2, 0) and (-2, 0), sample two (2, 2) and (-2, 0).
  t.deepEqual([...measured.hidden.signed], [Math.hypot(4, 4), 2]);
  t.deepEqual([...measured.hidden.absolute], [Math.hypot(5, 5), Math.hypot(2, 2)]);
  t.deepEqual([...(measured.feedForward.signed[0] ?? [])], [0, Math.hypot(2, 2), Math.hypot(4, 4)]);
  t.deepEqual([...(measured.feedForward.absolute[0] ?? [])], [Math.hypot(2, 2), Math.hypot(2, 2), Math.hypot(4, 4)]);
  t.deepEqual([...(measured.heads[0] ?? [])], [Math.sqrt(2 * 2.5 ** 2), Math.sqrt(2 * 6 ** 2)]);
  t.deepEqual([...measured.blockInfluence], [0.5]);
});

test("the highest scores are chosen, of equal ones the first, and of each group as many heads", (t) => {
  t.deepEqual(topIndices(Float64Array.of(3, 1, 3, 2, 3), 2), [0, 2]);
  t.deepEqual(topIndices(Float64Array.of(0, 1, 3, 2), 3), [1, 2, 3]);
  t.deepEqual(topHeads(Float64Array.of(9, 8, 7, 1, 2, 3), 2, 2), [0, 1, 4, 5]);
  const next = gaussian(mulberry32(1));
  const scores = Float64Array.from({ length: 50 }, () => next());
  const chosen = topIndices(scores, 20);
  const least = Math.min(...chosen.map((i) => scores[i] as number));
  t.true(scores.every((score, i) => chosen.includes(i) === score >= least));
});
