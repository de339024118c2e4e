/** Checked options as the binding takes them. */

import type {
  NativeCalibrationOptions,
  NativeModelOptions,
  NativePruneOptions,
  NativeSizeWish,
} from "../internal/binding-types.js";
import type { PruneSize } from "./options.js";
import type { CheckedCalibration, CheckedPruneOptions } from "./validation.js";

/** The paths of a prune; "" where there is none. */
export interface PrunePaths {
  readonly out: string;
  readonly text: string;
  readonly importance: string;
  readonly saveImportance: string;
}

function toNativeWish(size: PruneSize | undefined): NativeSizeWish {
  if (size === undefined) return { kind: "all", value: 0 };
  return { kind: size < 1 ? "ratio" : "count", value: size };
}

export function toNativeCalibration(options: CheckedCalibration): NativeCalibrationOptions {
  return {
    window: options.window ?? 0,
    windowsPerBatch: options.windowsPerBatch ?? 0,
    maxSamples: options.maxSamples ?? 0,
  };
}

export function toNativePruneOptions(
  options: CheckedPruneOptions,
  model: NativeModelOptions,
  { out, ...paths }: PrunePaths,
  threads: number,
): NativePruneOptions {
  const { layers } = options;
  return {
    model,
    ...paths,
    hidden: toNativeWish(options.hidden),
    ffn: toNativeWish(options.ffn),
    heads: toNativeWish(options.heads),
    kvHeads: toNativeWish(options.kvHeads),
    layers: toNativeWish(typeof layers === "number" ? layers : undefined),
    layerRule: options.layerRule ?? "firstlast",
    layerList: Int32Array.from(typeof layers === "object" ? layers : []),
    targetParameters: options.targetSize ?? 0,
    targetBytes: options.targetBytes ?? 0,
    multiple: options.multiple ?? 0,
    mean: options.statistic,
    hiddenByLayer: options.hiddenScope === "layers",
    commonFfn: options.ffnScope === "model",
    order: options.select,
    seed: options.seed,
    calibration: toNativeCalibration(options),
    output: {
      out,
      type: options.quantize,
      compensate: options.compensate,
      maxPartBytes: options.maxPartBytes ?? 0,
      name: options.name ?? "",
    },
    measure: options.measure,
    again: options.again,
    threads,
  };
}
