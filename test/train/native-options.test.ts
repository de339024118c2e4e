import test from "ava";
import { toNativeHealOptions, toNativeNewModelOptions } from "../../lib/train/native-options.js";
import type { HealOptions } from "../../lib/train/options.js";
import { checkCreateModelOptions, checkHealOptions } from "../../lib/train/validation.js";

const models = {
  full: { path: "full.gguf", gpuLayers: 0, mmap: false, kernels: true },
  student: { path: "student.gguf", gpuLayers: -1, mmap: false, kernels: true },
};
const paths = {
  ...{ data: "d.jsonl", evalData: "e.jsonl", out: "o.gguf", checkpoint: "", log: "", translator: "" },
  ...{ readerOut: "", translatorOut: "" },
};
const usual = { full: "full.gguf", student: "student.gguf", data: "d.jsonl", evalData: "e.jsonl", out: "o.gguf" };
const toNative = (options: Partial<HealOptions>) =>
  toNativeHealOptions(checkHealOptions({ ...usual, ...options }), models, paths, 3);

test("what was not asked for is off, or by the native side's defaults", (t) => {
  t.deepEqual(toNative({}), {
    ...{ mode: "overfill", train: "writer" },
    ...models,
    ...paths,
    ...{ type: "same", resume: false, trainTranslator: false, translatorType: "same" },
    ...{ promptRatio: 1, randomCutoff: 0, refreshInterval: 0 },
    ...{ distilShare: 0, distilTemperature: 1, loraRank: 0, loraAlpha: 0, loraTargets: [], freeze: [] },
    ...{ readerLoraRank: 0, readerLoraAlpha: 0, readerLoraTargets: [] },
    ...{ contextSize: 0, batchSize: 8, microBatchTokens: 2048, epochs: 1, maxSteps: 0 },
    ...{ learningRate: 2e-5, schedule: "cosine", warmUp: 0.01, rateFloor: 0, weightDecay: 0 },
    ...{ beta1: 0.9, beta2: 0.95, epsilon: 1e-8, clip: 1, seed: 1, shuffleWindow: 10_000, maxBadLines: 10 },
    ...{ evalInterval: 0, patience: 0, maxEvalExamples: 256, checkpointInterval: 0, threads: 3 },
  });
});

test("everything that was asked for reaches the native side", (t) => {
  const numbers = {
    ...{ promptRatio: 0.5, randomCutoff: 0.25, refreshInterval: 64, contextSize: 128, batchSize: 4 },
    ...{ microBatchTokens: 512, maxSteps: 9, learningRate: 1e-3, warmUp: 0.1, rateFloor: 0.2, weightDecay: 0.3 },
    ...{ beta1: 0.8, beta2: 0.99, epsilon: 1e-6, clip: 0, seed: 7, shuffleWindow: 1, maxBadLines: 0 },
    ...{ evalInterval: 5, patience: 2, maxEvalExamples: 11, checkpointInterval: 3 },
  };
  const native = toNative({
    ...numbers,
    ...{ type: "q8_0", resume: true, schedule: "linear", freeze: ["a*"] },
    ...{ trainTranslator: true, translatorOut: "t.gguf", translatorType: "f16" },
    distillation: { share: 0.75, temperature: 3 },
    lora: { rank: 8, alpha: 16, targets: ["*attn_q*"] },
  });
  t.like(native, {
    ...numbers,
    ...{ type: "q8_0", resume: true, schedule: "linear", freeze: ["a*"], epochs: 1 },
    ...{ trainTranslator: true, translatorType: "f16" },
    ...{ distilShare: 0.75, distilTemperature: 3, loraRank: 8, loraAlpha: 16, loraTargets: ["*attn_q*"] },
  });
  t.like(toNative({ distillation: {}, lora: { rank: 4 }, epochs: 2.5 }), {
    ...{ distilShare: 0.5, distilTemperature: 2, loraRank: 4, loraAlpha: 0, loraTargets: [], epochs: 2.5 },
  });
});

test("a reader gets low-rank factors unless its weights are asked for", (t) => {
  t.like(toNative({ train: "reader" }), { train: "reader", readerLoraRank: 16, readerLoraAlpha: 0, loraRank: 0 });
  t.like(toNative({ train: "reader", readerLora: false }), { train: "reader", readerLoraRank: 0 });
  const readerLora = { rank: 4, alpha: 8, targets: ["*attn_k*"] };
  t.like(toNative({ train: "both", readerOut: "r.gguf", lora: { rank: 2 }, readerLora }), {
    ...{ train: "both", loraRank: 2, readerLoraRank: 4, readerLoraAlpha: 8, readerLoraTargets: ["*attn_k*"] },
  });
});

test("a new model's shape reaches the native side", (t) => {
  const shape = { hiddenSize: 64, feedForwardSize: 128, layers: 2, heads: 4, kvHeads: 2 };
  const files = { out: "a.gguf", tokenizer: "b.gguf" };
  const defaults = { contextSize: 1024, ropeBase: 10_000, normEpsilon: 1e-5, tiedOutput: true, type: "f32", seed: 1 };
  t.deepEqual(toNativeNewModelOptions(checkCreateModelOptions({ ...files, ...shape }), files), {
    ...{ ...files, ...shape, ...defaults, name: "", headSize: 0 },
  } as ReturnType<typeof toNativeNewModelOptions>);
  const others = {
    ...{
      headSize: 32,
      contextSize: 256,
      ropeBase: 5e5,
      normEpsilon: 1e-6,
      tiedOutput: false,
      type: "bf16" as const,
      seed: 9,
    },
    name: "New",
  } as const;
  t.like(toNativeNewModelOptions(checkCreateModelOptions({ ...files, ...shape, ...others }), files), others);
});
