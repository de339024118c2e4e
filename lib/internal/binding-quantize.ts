/** The part of the contract with the native addon that quantising uses; binding-types.ts has the whole. */

import type { NativeModelOptions } from "./binding-types.js";

export interface NativeQuantizeOptions {
  readonly model: string;
  readonly out: string;
  readonly type: string;
  /** "": none, here and below. */
  readonly importance: string;
  /** The first whose pattern matches counts. */
  readonly tensorTypes: readonly { readonly pattern: string; readonly type: string }[];
  readonly outputTensorType: string;
  readonly tokenEmbeddingType: string;
  readonly keepOutputTensor: boolean;
  readonly pure: boolean;
  readonly allowRequantize: boolean;
  /** 0: one file. */
  readonly maxPartBytes: number;
  readonly threads: number;
}

export interface NativeQuantizedTensor {
  readonly name: string;
  readonly shape: number[];
  /** As ggml names types, in its capitals. */
  readonly before: string;
  readonly after: string;
  /** "": the same as `after`. */
  readonly wished: string;
}

export interface NativeQuantizeResult {
  readonly paths: string[];
  readonly type: string;
  readonly tensors: NativeQuantizedTensor[];
  readonly parameters: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Tensors that were quantised by the importance matrix. */
  readonly weighted: number;
  readonly ms: number;
}

export interface NativeMatrixOptions {
  readonly model: NativeModelOptions;
  readonly texts: readonly string[];
  readonly merge: readonly string[];
  readonly out: string;
  /** 0: the default. */
  readonly window: number;
  /** 0: all. */
  readonly maxSamples: number;
  readonly threads: number;
}

export interface NativeMatrixResult {
  readonly texts: string[];
  /** Tensors. */
  readonly entries: number;
  readonly samples: number;
  readonly window: number;
  /** Read now, not before. */
  readonly tokens: number;
  /** Matrices that no token passed through. */
  readonly unseen: number;
}
