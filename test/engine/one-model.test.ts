/** The oracle: one model twice is the model itself, whichever way its cache goes from stage to stage. */

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { type LoadPairOptions, loadPair } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { type Answer, answerAlone, openPair, quiet, someTokens, traced } from "./fixtures.js";

interface Variant {
  readonly title: string;
  readonly model?: TinyModelOptions;
  readonly options?: Partial<LoadPairOptions>;
}

const variants: readonly Variant[] = [
  { title: "f32 weights", model: { weightType: "f32" } },
  { title: "f16 weights", model: { weightType: "f16" } },
  { title: "q8_0 weights", model: { weightType: "q8_0" } },
  { title: "q4_0 weights", model: { weightType: "q4_0" } },
  { title: "an f32 cache", options: { cacheTypeK: "f32", cacheTypeV: "f32" } },
  {
    title: "a q8_0 cache and flash attention",
    options: { cacheTypeK: "q8_0", cacheTypeV: "q8_0", flashAttention: true },
  },
  { title: "flash attention off", options: { flashAttention: false } },
  { title: "a q8_0 K cache and flash attention off", options: { cacheTypeK: "q8_0", flashAttention: false } },
  { title: "small micro-batches", options: { batchSize: 32 } },
  { title: "two threads", options: { threads: 2 } },
  { title: "qwen2's biases", model: { architecture: "qwen2" } },
  { title: "qwen3's head norms", model: { architecture: "qwen3" } },
  { title: "YaRN scaling", model: { ropeScaling: { type: "yarn", factor: 4, originalContextLength: 128 } } },
  { title: "RoPE factors", model: { ropeFreqFactors: Float32Array.from({ length: 16 }, (_, i) => 1 + i / 4) } },
];

const prompt = someTokens(100);

async function answersOf({ model = {}, options = {} }: Variant, dir: string): Promise<Record<string, Answer>> {
  const { path } = await writeTinyModel(join(dir, "model.gguf"), model);
  const copy = join(dir, "copy.gguf");
  await copyFile(path, copy);
  const answers: Record<string, Answer> = {};
  const pairs: [name: string, own: Partial<LoadPairOptions>][] = [
    ["alone", {}],
    ["shared", { decode: { model: copy }, handover: "share" }],
    ["copied", { decode: { model: copy }, handover: "translate" }],
  ];
  for (const [name, own] of pairs) {
    await using pair = await loadPair({ ...quiet, prefill: { model: path }, ...options, ...own });
    answers[name] = await answerAlone(pair, prompt, traced(64));
  }
  return answers;
}

for (const variant of variants) {
  test(`with ${variant.title}, a model and its copy write what the model alone writes, shared and copied alike`, async (t) => {
    const { alone, shared, copied } = await answersOf(variant, withTempDir(t));
    t.is(alone?.tokens.length, 64);
    t.true(new Set(alone?.tokens).size > 8, "the model does not just repeat itself");
    t.deepEqual(shared?.tokens, alone?.tokens);
    t.deepEqual(copied?.tokens, alone?.tokens);
    // Greater than argmax: every log-probability, bit for bit.
    t.deepEqual(shared?.logProbs, alone?.logProbs);
    t.deepEqual(copied?.logProbs, alone?.logProbs);
  });
}

test("the same path twice and no decode model mean the same: one model", async (t) => {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"));
  const twice = await openPair(t, { prefill: path, decode: path });
  const once = await openPair(t, { prefill: path });
  t.true(twice.info.plan.oneModel);
  t.true(once.info.plan.oneModel);
  t.is(twice.info.kvBytes, once.info.kvBytes);
  t.deepEqual(
    await answerAlone(twice, prompt, traced(16)).then(stable),
    await answerAlone(once, prompt, traced(16)).then(stable),
  );
});

const stable = ({ text, tokens, logProbs }: Answer) => ({ text, tokens, logProbs });

test("log-probabilities do depend on the prompt", async (t) => {
  const pair = await openPair(t);
  const first = await answerAlone(pair, prompt, traced(1));
  const other = await answerAlone(pair, [...prompt.slice(0, -2), 41, prompt.at(-1) ?? 0], traced(1));
  t.notDeepEqual(first.logProbs, other.logProbs);
});
