/** The part of the contract with the native addon that translators use: fitting one, and what a file of one says. */

import type { NativeModelOptions } from "./binding-types.js";

export interface NativeFitOptions {
  readonly prefill: NativeModelOptions;
  readonly decode: NativeModelOptions;
  readonly text: string;
  readonly out: string;
  /** A name, or "" where `layers` has the map or the default is wanted. */
  readonly layerMap: string;
  readonly layers: Int32Array;
  readonly commonMap: boolean;
  readonly beforeRope: boolean;
  /** 0: the default. */
  readonly chunkSize: number;
  /** 0: all. */
  readonly maxTokens: number;
  readonly lambda: number;
  readonly heldOut: number;
  readonly weightType: "f32" | "f16" | "q8_0";
  readonly threads: number;
}

export interface NativeFit {
  /** Settles when the file is written or the fit has failed. */
  readonly finished: Promise<NativeFitResult>;
  abort(): void;
}

export interface NativeLinearMapShape {
  readonly inputs: number;
  readonly outputs: number;
}

export interface NativeTranslator {
  readonly source: { readonly name: string; readonly fingerprint: string };
  readonly target: { readonly name: string; readonly fingerprint: string };
  readonly maps: "none" | "common" | "separate";
  readonly beforeRope: boolean;
  readonly weightType: string;
  /** By the target's layers. */
  readonly layers: {
    readonly source: number;
    readonly k: NativeLinearMapShape | undefined;
    readonly v: NativeLinearMapShape | undefined;
    /** Absent if it was not measured. */
    readonly errorK?: number;
    readonly errorV?: number;
  }[];
  /** Nats a token; 0: not measured. */
  readonly loss: { readonly alone: number; readonly unmapped: number; readonly mapped: number };
  readonly fitTokens: number;
  readonly sizeBytes: number;
}

export interface NativeFitResult extends NativeTranslator {
  readonly heldOutTokens: number;
  readonly ms: number;
}
