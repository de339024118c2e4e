/** The part of the contract with the native addon that pruning uses; binding-types.ts has the whole. */

import type { NativeModelOptions } from "./binding-types.js";

export type NativePruneProgress = (stage: number, fraction: number, tokens: number) => void;

/** How much of a dimension stays: all of it, all but a ratio (0 to below 1), or so many. */
export interface NativeSizeWish {
  readonly kind: "all" | "ratio" | "count";
  readonly value: number;
}

export interface NativeCalibrationOptions {
  /** 0: the default, here and below. */
  readonly window: number;
  readonly windowsPerBatch: number;
  /** 0: all. */
  readonly maxSamples: number;
}

export interface NativeOutputOptions {
  readonly out: string;
  readonly type: string;
  readonly compensate: boolean;
  /** 0: one file. */
  readonly maxPartBytes: number;
  /** "": made from the parent's. */
  readonly name: string;
}

export interface NativePruneOptions {
  readonly model: NativeModelOptions;
  /** "": none, here and below. */
  readonly text: string;
  readonly importance: string;
  readonly saveImportance: string;
  readonly hidden: NativeSizeWish;
  readonly ffn: NativeSizeWish;
  readonly heads: NativeSizeWish;
  readonly kvHeads: NativeSizeWish;
  readonly layers: NativeSizeWish;
  readonly layerRule: "first" | "last" | "firstlast" | "influence";
  /** In place of `layers` and the rule; empty: none. */
  readonly layerList: Int32Array;
  /** 0: none. */
  readonly targetParameters: number;
  readonly targetBytes: number;
  /** 0: the default. */
  readonly multiple: number;
  readonly mean: "signed" | "absolute";
  readonly hiddenByLayer: boolean;
  readonly commonFfn: boolean;
  readonly order: "important" | "random" | "unimportant";
  readonly seed: number;
  readonly calibration: NativeCalibrationOptions;
  readonly output: NativeOutputOptions;
  readonly measure: boolean;
  /** A model that was pruned before may be. */
  readonly again: boolean;
  readonly threads: number;
}

export interface NativeModelSize {
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
}

export interface NativePruneResult {
  readonly paths: string[];
  readonly type: string;
  readonly architectureBefore: string;
  readonly architectureAfter: string;
  readonly fingerprint: string;
  readonly before: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly after: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  /** What the options asked for before the widths were rounded. */
  readonly wished: NativeModelSize;
  readonly multiple: number;
  readonly compensated: boolean;
  readonly kept: {
    readonly hidden: Uint32Array;
    readonly layers: Uint32Array;
    readonly feedForward: Uint32Array[];
    readonly heads: Uint32Array[];
    readonly kvHeads: Uint32Array[];
  };
  readonly samples: number;
  readonly tokens: number;
  /** 0: not measured. */
  readonly lossTokens: number;
  readonly lossBefore: number;
  readonly lossAfter: number;
  readonly calibrateMs: number;
  readonly writeMs: number;
  readonly ms: number;
}

export interface NativeImportanceOptions {
  readonly model: NativeModelOptions;
  readonly texts: readonly string[];
  readonly merge: readonly string[];
  readonly out: string;
  readonly calibration: NativeCalibrationOptions;
  readonly threads: number;
}

/** The scores of an importance file, L2 norms over the samples. */
export interface NativeImportance {
  readonly fingerprint: string;
  readonly name: string;
  readonly architecture: string;
  readonly text: string;
  readonly window: number;
  readonly samples: number;
  readonly tokens: number;
  /** Nats a token. */
  readonly loss: number;
  readonly hidden: { readonly signed: Float64Array; readonly absolute: Float64Array };
  readonly hiddenByLayer: { readonly signed: Float64Array[]; readonly absolute: Float64Array[] };
  readonly feedForward: { readonly signed: Float64Array[]; readonly absolute: Float64Array[] };
  readonly heads: Float64Array[];
  /** A layer each: 0 to 2. */
  readonly blockInfluence: Float64Array;
}

export interface NativePadOptions {
  readonly model: string;
  readonly multiple: number;
  readonly output: NativeOutputOptions;
  readonly threads: number;
}

export interface NativePadResult {
  readonly paths: string[];
  readonly type: string;
  readonly before: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly after: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly ms: number;
}

export interface NativeArchitecture {
  readonly name: string;
  /** "": its own. Written as this where a width no longer equals heads x head size. */
  readonly carrier: string;
  /** Width and heads cannot be pruned independently, and no other architecture can carry the result. */
  readonly square: boolean;
}
