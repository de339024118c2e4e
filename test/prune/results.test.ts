import test from "ava";
import type { NativeImportance, NativePruneResult } from "../../lib/internal/binding-types.js";
import { toArchitecture, toImportance, toPadResult, toPruneResult } from "../../lib/prune/results.js";

const dimensions = { hiddenSize: 8, feedForwardSize: 16, layers: 2, heads: 4, kvHeads: 2 };
const size = { ...dimensions, parameters: 1000, sizeBytes: 2000 };

const native: NativePruneResult = {
  paths: ["a.gguf"],
  type: "f16",
  architectureBefore: "qwen2",
  architectureAfter: "llama",
  fingerprint: "qwen2-0123456789abcdef",
  before: size,
  after: { ...size, hiddenSize: 4, parameters: 500, sizeBytes: 1000 },
  wished: { ...dimensions, hiddenSize: 3 },
  multiple: 4,
  compensated: true,
  kept: {
    hidden: Uint32Array.of(0, 1, 5, 7),
    layers: Uint32Array.of(0, 1),
    feedForward: [Uint32Array.of(0, 2), Uint32Array.of(1, 3)],
    heads: [Uint32Array.of(0), Uint32Array.of(3)],
    kvHeads: [Uint32Array.of(0), Uint32Array.of(1)],
  },
  ...{ samples: 3, tokens: 1500 },
  ...{ lossTokens: 500, lossBefore: 2, lossAfter: 3, calibrateMs: 5, writeMs: 6, ms: 12 },
};

test("a result is plain: lists that JSON keeps, and nothing for what was not measured", (t) => {
  const result = toPruneResult(native);
  t.deepEqual(result, {
    paths: ["a.gguf"],
    type: "f16",
    architecture: { before: "qwen2", after: "llama" },
    parentFingerprint: "qwen2-0123456789abcdef",
    before: size,
    after: { ...size, hiddenSize: 4, parameters: 500, sizeBytes: 1000 },
    requested: { ...dimensions, hiddenSize: 3 },
    multiple: 4,
    compensated: true,
    kept: {
      hidden: [0, 1, 5, 7],
      layers: [0, 1],
      feedForward: [
        [0, 2],
        [1, 3],
      ],
      heads: [[0], [3]],
      kvHeads: [[0], [1]],
    },
    calibration: { samples: 3, tokens: 1500 },
    loss: { before: 2, after: 3, tokens: 500 },
    ...{ calibrateMs: 5, writeMs: 6, ms: 12 },
  });
  t.deepEqual(JSON.parse(JSON.stringify(result)), result);
  const unmeasured = toPruneResult({ ...native, samples: 0, tokens: 0, lossTokens: 0 });
  t.false("calibration" in unmeasured);
  t.false("loss" in unmeasured);
});

test("importance is plain too", (t) => {
  const scores = { signed: Float64Array.of(1, 2), absolute: Float64Array.of(3, 4) };
  const byLayer = {
    signed: [Float64Array.of(1), Float64Array.of(2)],
    absolute: [Float64Array.of(3), Float64Array.of(4)],
  };
  const importance: NativeImportance = {
    ...{ fingerprint: "llama-1", name: "Full", architecture: "llama", text: "a.txt, b.txt" },
    ...{ window: 512, samples: 2, tokens: 1024, loss: 2.5 },
    hidden: scores,
    hiddenByLayer: byLayer,
    feedForward: byLayer,
    heads: [Float64Array.of(5), Float64Array.of(6)],
    blockInfluence: Float64Array.of(0.5, 0.25),
  };
  t.deepEqual(toImportance(importance, "i.gguf"), {
    path: "i.gguf",
    model: { name: "Full", fingerprint: "llama-1", architecture: "llama" },
    ...{ text: "a.txt, b.txt", window: 512, samples: 2, tokens: 1024, loss: 2.5 },
    hidden: { signed: [1, 2], absolute: [3, 4] },
    hiddenByLayer: { signed: [[1], [2]], absolute: [[3], [4]] },
    feedForward: { signed: [[1], [2]], absolute: [[3], [4]] },
    heads: [[5], [6]],
    blockInfluence: [0.5, 0.25],
  });
});

test("a padded model's sizes and an architecture's row", (t) => {
  const padded = { paths: ["p.gguf"], type: "same", before: size, after: size, ms: 1 };
  t.deepEqual(toPadResult(padded), padded);
  t.deepEqual(toArchitecture({ name: "llama", carrier: "", square: false }), { name: "llama", square: false });
  t.deepEqual(toArchitecture({ name: "qwen2", carrier: "llama", square: false }), {
    name: "qwen2",
    carrier: "llama",
    square: false,
  });
});
