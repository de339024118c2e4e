import test from "ava";
import { toNativeCalibration, toNativePruneOptions } from "../../lib/prune/native-options.js";
import type { PruneOptions } from "../../lib/prune/options.js";
import { checkPruneOptions } from "../../lib/prune/validation.js";

const model = { path: "full.gguf", gpuLayers: 0, mmap: false, kernels: true };
const paths = { out: "o.gguf", text: "t.txt", importance: "", saveImportance: "" };
const toNative = (options: Omit<PruneOptions, "model" | "out" | "text">) =>
  toNativePruneOptions(
    checkPruneOptions({ model: "full.gguf", out: "o.gguf", text: "t.txt", ...options }),
    model,
    paths,
    3,
  );

test("what was not asked for stays, by the native side's defaults", (t) => {
  const all = { kind: "all", value: 0 } as const;
  t.deepEqual(toNative({ hidden: 0.45 }), {
    model,
    ...{ text: "t.txt", importance: "", saveImportance: "" },
    hidden: { kind: "ratio", value: 0.45 },
    ...{ ffn: all, heads: all, kvHeads: all, layers: all },
    layerRule: "firstlast",
    layerList: new Int32Array(),
    ...{ targetParameters: 0, targetBytes: 0, multiple: 0 },
    ...{ mean: "signed", hiddenByLayer: false, commonFfn: false, order: "important", seed: 1 },
    calibration: { window: 0, windowsPerBatch: 0, maxSamples: 0 },
    output: { out: "o.gguf", type: "f16", compensate: true, maxPartBytes: 0, name: "" },
    ...{ measure: true, again: false, threads: 3 },
  });
});

test("a size is a share that goes or a number that stays", (t) => {
  const { hidden, ffn, heads, kvHeads, layers } = toNative({ hidden: 0, ffn: 0.999, heads: 1, kvHeads: 2, layers: 12 });
  t.deepEqual(
    [hidden, ffn, heads, kvHeads, layers],
    [
      { kind: "ratio", value: 0 },
      { kind: "ratio", value: 0.999 },
      { kind: "count", value: 1 },
      { kind: "count", value: 2 },
      { kind: "count", value: 12 },
    ],
  );
});

test("everything that was asked for reaches the native side", (t) => {
  t.like(toNative({ layers: [0, 2, 5] }), { layers: { kind: "all", value: 0 }, layerList: Int32Array.of(0, 2, 5) });
  t.like(toNative({ layers: 0.5, layerRule: "influence" }), { layerRule: "influence" });
  t.like(toNative({ targetSize: "350M" }), { targetParameters: 350e6, targetBytes: 0 });
  t.like(toNative({ targetBytes: "1GiB" }), { targetParameters: 0, targetBytes: 2 ** 30 });
  const native = toNative({
    ...{ ffn: 0.5, multiple: 64, quantize: "q4_k_m", compensate: false, statistic: "absolute", name: "Small" },
    ...{ hiddenScope: "layers", ffnScope: "model", select: "random", seed: 7, measure: false, maxPartBytes: "2GB" },
    ...{ window: 64, windowsPerBatch: 4, maxSamples: 100 },
  });
  t.like(native, {
    ...{
      multiple: 64,
      mean: "absolute",
      hiddenByLayer: true,
      commonFfn: true,
      order: "random",
      seed: 7,
      measure: false,
    },
    calibration: { window: 64, windowsPerBatch: 4, maxSamples: 100 },
    output: { out: "o.gguf", type: "q4_k_m", compensate: false, maxPartBytes: 2e9, name: "Small" },
  });
  t.deepEqual(toNativeCalibration({ window: 9 }), { window: 9, windowsPerBatch: 0, maxSamples: 0 });
});
