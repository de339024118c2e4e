/** Pairs whose caches differ: what comes over is what the decode model would have had by itself. */

import { join } from "node:path";
import test from "ava";
import { loadPair } from "../../lib/index.js";
import { bool, text, u32 } from "../support/gguf-format.js";
import { type GgufTensor, writeGguf } from "../support/gguf-writer.js";
import { gaussian, mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import {
  answer,
  answerAlone,
  apart,
  cut,
  deep,
  openPair,
  openSession,
  type PairRecipe,
  quiet,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const implementations = ["cpu", "graph"] as const;
const prompt = someTokens(150);

const steps = traced(24, 20);

interface Case extends PairRecipe {
  readonly title: string;
  /** Nats: what the rounding of the coarser cache type may do to the log-probabilities of these models. */
  readonly tolerance: number;
}

/** llama.cpp's flash attention on the CPU multiplies in f16, whatever the cache's type: without it there is float noise only. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
const flash = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: true } as const;

/** One model in two caches must go on as it would in one. */
const q8 = { cacheTypeK: "q8_0", cacheTypeV: "q8_0" } as const;
const cases: readonly Case[] = [
  { title: "f32 to f16", ...flash, decodeCache: { cacheTypeK: "f16", cacheTypeV: "f16" }, tolerance: 0.1 },
  { title: "f16 to f32", flashAttention: true, decodeCache: flash, tolerance: 0.1 },
  {
    title: "f32 to f16, V transposed",
    ...exact,
    decodeCache: { cacheTypeK: "f16", cacheTypeV: "f16" },
    tolerance: 0.1,
  },
  { title: "f32 to bf16", ...flash, decodeCache: { cacheTypeK: "bf16", cacheTypeV: "bf16" }, tolerance: 0.4 },
  { title: "f32 to q8_0", ...flash, decodeCache: q8, tolerance: 0.6 },
  { title: "q8_0 to f32", ...q8, flashAttention: true, decodeCache: flash, tolerance: 0.6 },
  { title: "f32 K and q8_0 V", ...flash, decodeCache: { cacheTypeV: "q8_0" }, tolerance: 0.6 },
  { title: "flash attention to none", ...flash, decodeCache: exact, tolerance: 0.1 },
  { title: "no flash attention to some", ...exact, decodeCache: flash, tolerance: 0.1 },
  {
    title: "q8_0 with flash attention to f32 without",
    ...q8,
    flashAttention: true,
    decodeCache: exact,
    tolerance: 0.6,
  },
];

for (const { title, tolerance, ...recipe } of cases)
  for (const implementation of implementations)
    test(`one model in two caches goes on as in one: ${title} (${implementation})`, async (t) => {
      // Heads of 64 values turn the rotation of quantised caches on.
      const model = { headSize: 64, nLayers: 3 } as const;
      const alone = await openPair(t, { prefill: model, ...exact });
      const expected = await answerAlone(alone, prompt, steps);
      const pair = await openPair(t, { prefill: model, decode: model, implementation, maxSessions: 3, ...recipe });
      t.like(pair.info.plan, { kind: "translate", available: true });
      // Each session has a stream of its own; the last of three must not land in the first.
      const sessions = [await pair.createSession(), await pair.createSession(), await pair.createSession()];
      for (const session of sessions) {
        const found = await answer(session, prompt, steps);
        const distanceFound = apart(expected, found);
        t.true(distanceFound <= tolerance, `${distanceFound} apart`);
      }
    });

for (const [title, ropes] of Object.entries({
  "another base": [{}, { ropeBase: 500_000 }],
  "linear scaling": [{}, { ropeScaling: { type: "linear", factor: 4 } }],
  "no scaling any more": [{ ropeScaling: { type: "linear", factor: 4 } }, {}],
  YaRN: [{ ropeBase: 5000 }, { ropeScaling: { type: "yarn", factor: 4, originalContextLength: 128 } }],
  "frequency factors": [{}, { ropeFreqFactors: Float32Array.from({ length: 16 }, (_, i) => 1 + i / 4) }],
  "other frequency factors": [
    { ropeFreqFactors: Float32Array.from({ length: 16 }, (_, i) => 1 + i / 4) },
    { ropeFreqFactors: Float32Array.from({ length: 16 }, (_, i) => 3 - i / 8) },
  ],
} satisfies Record<string, [TinyModelOptions, TinyModelOptions]>))
  for (const implementation of implementations)
    test(`K comes over into another encoding of positions: ${title} (${implementation})`, async (t) => {
      // In a model of one layer K and V follow from the tokens alone, so that the cache the decode model would have
      // made by itself is known.
      const [prefill, decode] = ropes.map((rope) => ({ nLayers: 1, ...rope })) as [TinyModelOptions, TinyModelOptions];
      const pair = await openPair(t, { prefill, decode, implementation, ...exact });
      t.is(pair.info.plan.kind, "translate");
      const found = await answerAlone(pair, prompt, steps);
      const [first = 0] = found.tokens;
      const alone = await openPair(t, { prefill: decode, ...exact });
      const expected = await answerAlone(alone, [...prompt, first], traced(23, 20));
      const rest = { ...found, tokens: found.tokens.slice(1), logProbs: found.logProbs.slice(1) };
      const distanceFound = apart(expected, rest);
      t.true(distanceFound < 1e-3, `${distanceFound} apart`);
    });

/** `size` x `size` values, row-major: near enough to the identity to be well invertible. */
function invertible(size: number, seed: number): number[][] {
  const next = gaussian(mulberry32(seed));
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => (i === j ? 1.5 : 0) + 0.1 * next()),
  );
}

function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i++) {
    const pivot = rows
      .slice(i)
      .reduce((best, row, at) => (Math.abs(row[i] ?? 0) > Math.abs(rows[best]?.[i] ?? 0) ? i + at : best), i);
    [rows[i], rows[pivot]] = [rows[pivot] ?? [], rows[i] ?? []];
    const scale = rows[i]?.[i] ?? 1;
    rows[i] = (rows[i] ?? []).map((value) => value / scale);
    for (let k = 0; k < n; k++) {
      const factor = k === i ? 0 : (rows[k]?.[i] ?? 0);
      if (factor !== 0) rows[k] = (rows[k] ?? []).map((value, j) => value - factor * (rows[i]?.[j] ?? 0));
    }
  }
  return rows.map((row) => row.slice(n));
}

const headSize = 32;
const kvHeads = 2;
const heads = 4;
const mixV = invertible(kvHeads * headSize, 5).map((row, i) =>
  // Heads stay apart: a query head reads one of them.
  row.map((value, j) => (Math.floor(i / headSize) === Math.floor(j / headSize) ? value : 0)),
);
const unmixV = inverse(mixV);
/** RoPE turns the two values of a pair alike, so that a scale for each pair may pass through it. */
const scaleK = Array.from({ length: kvHeads * headSize }, (_, i) => 0.5 + (Math.floor(i / 2) % 7) / 4);

/** Rows of a matrix tensor [columns, rows], mixed: row i becomes the sum of `mix[i][j]` times row j. */
function mixRows(tensor: GgufTensor, mix: readonly (readonly number[])[]): GgufTensor {
  const columns = tensor.dims[0] ?? 0;
  const values = new Float32Array(tensor.values.length);
  for (const [i, row] of mix.entries())
    for (const [j, factor] of row.entries())
      if (factor !== 0)
        for (let c = 0; c < columns; c++)
          values[i * columns + c] = (values[i * columns + c] ?? 0) + factor * (tensor.values[j * columns + c] ?? 0);
  return { ...tensor, values };
}

/** The same function as the model's, in another basis of K and V. */
function rebased(tensors: GgufTensor[]): GgufTensor[] {
  return tensors.map((tensor) => {
    if (tensor.name.endsWith("attn_k.weight"))
      return mixRows(
        tensor,
        scaleK.map((scale, i) => scaleK.map((_, j) => (i === j ? scale : 0))),
      );
    if (tensor.name.endsWith("attn_q.weight")) {
      // Query head h reads KV head h / 2.
      const scaleOf = (i: number) =>
        scaleK[Math.floor(i / headSize / (heads / kvHeads)) * headSize + (i % headSize)] ?? 1;
      const n = heads * headSize;
      return mixRows(
        tensor,
        Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 / scaleOf(i) : 0))),
      );
    }
    if (tensor.name.endsWith("attn_v.weight")) return mixRows(tensor, mixV);
    if (tensor.name.endsWith("attn_output.weight")) {
      const values = tensor.values.slice();
      const columns = heads * headSize;
      for (let row = 0; row < values.length / columns; row++)
        for (let c = 0; c < columns; c++) {
          const head = Math.floor(c / headSize);
          const kv = Math.floor(head / (heads / kvHeads)) * headSize;
          let sum = 0;
          for (let k = 0; k < headSize; k++)
            sum +=
              (tensor.values[row * columns + head * headSize + k] ?? 0) * (unmixV[kv + k]?.[kv + (c % headSize)] ?? 0);
          values[row * columns + c] = sum;
        }
      return { ...tensor, values };
    }
    return tensor;
  });
}

/** A translator file that undoes {@link rebased}. */
async function writeRebasing(path: string, nLayers: number, beforeRope: boolean): Promise<string> {
  const n = kvHeads * headSize;
  const flat = (rows: readonly (readonly number[])[]) => Float32Array.from(rows.flat());
  const diagonal = scaleK.map((scale, i) => scaleK.map((_, j) => (i === j ? scale : 0)));
  await writeGguf(path, {
    metadata: [
      ["general.architecture", text("overfill-translator")],
      ["general.type", text("translator")],
      ["translator.version", u32(1)],
      ["translator.kind", text("linear")],
      ["translator.source.fingerprint", text("")],
      ["translator.source.name", text("")],
      ["translator.target.fingerprint", text("")],
      ["translator.target.name", text("")],
      ["translator.layer_count", u32(nLayers)],
      ["translator.before_rope", bool(beforeRope)],
    ],
    tensors: Array.from({ length: nLayers }, (_, layer) => [
      { name: `blk.${layer}.k.weight`, type: "f32" as const, dims: [n, n], values: flat(diagonal) },
      { name: `blk.${layer}.v.weight`, type: "f32" as const, dims: [n, n], values: flat(mixV) },
    ]).flat(),
  });
  return path;
}

for (const implementation of implementations)
  for (const beforeRope of [true, false])
    test(`a model in another basis of K and V goes on through linear maps ${beforeRope ? "before" : "after"} RoPE (${implementation})`, async (t) => {
      const translator = await writeRebasing(join(withTempDir(t), "t.gguf"), 3, beforeRope);
      const prefill = { nLayers: 3 } as const;
      const decode = { nLayers: 3, tensorEdit: rebased } as const;
      const expected = await answerAlone(await openPair(t, { prefill, ...exact }), prompt, steps);
      const same = await answerAlone(await openPair(t, { prefill: decode, ...exact }), prompt, steps);
      t.true(apart(expected, same) < 1e-3, "the basis makes no difference by itself");
      const unmapped = await openPair(t, { prefill, decode, ...exact });
      t.true(apart(expected, await answerAlone(unmapped, prompt, steps)) > 0.1, "but it does in a pair");
      const pair = await openPair(t, { prefill, decode, translator, implementation, ...exact });
      const distanceFound = apart(expected, await answerAlone(pair, prompt, steps));
      t.true(distanceFound < 2e-3, `${distanceFound} apart`);
    });

test("a later turn moves only what is new", async (t) => {
  const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;
  const session = await openSession(t, { decode: narrow, handover: "translate" });
  const { kvBytesPerToken } = session.pair.info;
  await session.prefill(prompt);
  t.is((await session.switch()).bytes, 150 * kvBytesPerToken);
  await readAnswer(session.decode(traced(10)));
  await session.prefill(someTokens(7));
  const second = await session.switch();
  t.like(second, { tokens: 167, bytes: 17 * kvBytesPerToken });
});

test("turns on a translated cache equal those of a session that reads the same at once", async (t) => {
  const options = {
    prefill: { nLayers: 3 },
    decode: { nLayers: 3 },
    decodeCache: { cacheTypeK: "q8_0" },
    ...exact,
  } as const;
  const pair = await openPair(t, { ...options, maxSessions: 2 });
  const turns = await pair.createSession();
  const first = await answer(turns, prompt, traced(9, 20));
  const second = await answer(turns, someTokens(20, 4), steps);
  const once = await answerAlone(pair, [...prompt, ...first.tokens, ...someTokens(20, 4)], steps);
  t.deepEqual(second.tokens, once.tokens);
  const distanceFound = apart(second, once);
  t.true(distanceFound < 1e-3, `${distanceFound} apart`);
});

test("what the decode model wrote goes back through the inverse, where there is one", async (t) => {
  const options = { prefill: { nLayers: 2 }, decode: { nLayers: 2 }, ...flash } as const;
  const texts = [];
  for (const decodeCache of [{}, { flashAttention: false }]) {
    const session = await openSession(t, { ...options, handover: "translate", decodeCache });
    await answer(session, prompt, traced(9, 20));
    await session.prefill(someTokens(20, 4), { refresh: false });
    await session.switch();
    texts.push(await readAnswer(session.decode(steps)));
  }
  const [plain, back] = texts;
  t.true(plain !== undefined && back !== undefined && apart(plain, back) < 0.1);
});

test("where there is no inverse, a prefill without refresh is refused, and the session goes on as if it had not been asked", async (t) => {
  const recipe = { prefill: deep, decode: cut, handover: "translate", translator: { layers: [1, 3, 4] } } as const;
  const pair = await openPair(t, { ...recipe, maxSessions: 2 });
  const [session, twin] = [await pair.createSession(), await pair.createSession()];
  const alone = { ...traced(9, 20), deterministic: true } as const;
  for (const one of [session, twin]) await answer(one, prompt, alone);
  const before = session.stats();
  await refusal(t, "ERR_HANDOVER_UNAVAILABLE", session.prefill(someTokens(20, 4), { refresh: false }));
  t.is(session.stats().contextTokens, before.contextTokens);
  // The answer goes on, and so does the next turn, which reads the answer again and nothing else.
  t.deepEqual((await readAnswer(session.decode(alone))).logProbs, (await readAnswer(twin.decode(alone))).logProbs);
  const [after, expected] = await Promise.all([session, twin].map((one) => answer(one, someTokens(20, 4), alone)));
  t.deepEqual(after?.logProbs, expected?.logProbs);
  t.is(session.stats().refreshedTokens, 18);
  t.is(session.stats().prefillTokens, twin.stats().prefillTokens);
});

for (const architecture of ["gemma2", "gemma3"] as const)
  for (const implementation of implementations)
    test(`sliding-window caches are translated beyond the window: ${architecture} (${implementation})`, async (t) => {
      const model = { architecture, nLayers: 4, slidingWindow: { window: 32, pattern: 2 } } as const;
      const expected = await answerAlone(await openPair(t, { prefill: model, ...exact }), prompt, steps);
      const pair = await openPair(t, {
        prefill: model,
        decode: model,
        implementation,
        ...exact,
        handover: "translate",
      });
      const distanceFound = apart(expected, await answerAlone(pair, prompt, steps));
      t.true(distanceFound < 2e-3, `${distanceFound} apart`);
    });

test("a model with another sliding window reads the whole cache through its own", async (t) => {
  const window = (size: number) =>
    ({ architecture: "gemma3", nLayers: 4, slidingWindow: { window: size, pattern: 2 } }) as const;
  const pair = await openPair(t, { prefill: window(400), decode: window(16), ...exact });
  t.like(pair.info.plan, { kind: "translate", available: true });
  const { tokens } = await answerAlone(pair, prompt, steps);
  t.is(tokens.length, 24);
});

test("layer maps that do not fit, and implementations that are not there, are refused at once", async (t) => {
  const dir = withTempDir(t);
  const { path: prefill } = await writeTinyModel(join(dir, "a.gguf"), deep);
  const { path: decode } = await writeTinyModel(join(dir, "b.gguf"), cut);
  const load = (options: object) =>
    loadPair({ ...quiet, prefill: { model: prefill }, decode: { model: decode }, ...options });
  for (const layers of [
    [0, 1],
    [0, 1, 5],
    [0, 1, 2, 3],
  ])
    await refusal(t, "ERR_INVALID_ARGUMENT", load({ translator: { layers } }), String(layers));
  for (const layers of [[], [-1, 0, 1], [0.5, 1, 2], "middle"])
    await refusal(t, "ERR_INVALID_ARGUMENT", load({ translator: { layers } }), String(layers));
  await refusal(t, "ERR_MODEL_NOT_FOUND", load({ translator: join(dir, "none.gguf") }));
  await refusal(t, "ERR_TRANSLATOR_INVALID", load({ translator: decode }));
  for (const implementation of ["cuda", "metal"])
    await refusal(
      t,
      "ERR_HANDOVER_UNAVAILABLE",
      load({ implementation, handover: "translate", translator: { layers: "last" } }),
    );
});
