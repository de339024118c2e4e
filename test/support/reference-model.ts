/** A GGUF model taken apart for the slow reference: its sizes, its definition, its tensors by name. */

import type { GgufScalar, GgufValue } from "./gguf-format.js";
import { type GgufContents, tensorValues } from "./gguf-reader.js";
import type { Matrix } from "./reference-arithmetic.js";
import { type Definition, definitionOf, type Hyperparameters } from "./reference-definitions.js";

export interface ReferenceShape {
  readonly architecture: string;
  readonly nEmbd: number;
  readonly nFf: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly nLayers: number;
  readonly headSizeK: number;
  readonly headSizeV: number;
  readonly eps: number;
}

export interface ReferenceModel {
  readonly shape: ReferenceShape;
  readonly definition: Definition;
  readonly hyper: Hyperparameters;
  readonly ropeSize: number;
  readonly ropeBase: number;
  readonly ropeScale: number;
  readonly ropeMagnitude: number;
  readonly ropeFactors: Float32Array | undefined;
  /** Throws an Error if there is no such matrix. */
  readonly matrix: (name: string) => Matrix;
  readonly vector: (name: string) => Float32Array;
  readonly has: (name: string) => boolean;
  /** Undefined if there is none. */
  readonly bias: (name: string) => Float32Array | undefined;
}

export interface ReferenceOptions {
  /** Tokens of a session, which choose between the rotation factors for short and for long contexts. @default a short one */
  readonly contextSize?: number;
}

/** Throws an Error for a model that the reference does not cover. */
export function referenceModel(contents: GgufContents, { contextSize = 0 }: ReferenceOptions = {}): ReferenceModel {
  const { architecture, hyper, text } = hyperparametersOf(contents);
  const { number, nEmbd, nLayers } = hyper;
  const tensors = new Map<string, Float32Array>();
  const has = (name: string) => contents.tensors.some((tensor) => tensor.name === name);
  const vector = (name: string) => {
    const values = tensors.get(name) ?? tensorValues(contents, name);
    tensors.set(name, values);
    return values;
  };
  const nHeads = number("attention.head_count");
  const headSizeK = number("attention.key_length", nEmbd / nHeads);
  const scaling = text("rope.scaling.type") ?? "linear";
  if (scaling === "yarn") throw new Error("the reference knows no YaRN");
  const longContext = contextSize > number("rope.scaling.original_context_length", number("context_length"));
  const factors = ["rope_freqs.weight", `rope_factors_${longContext ? "long" : "short"}.weight`].find(has);
  const alpha = number("rope.scaling.alpha", 0);
  return {
    shape: {
      architecture,
      nEmbd,
      nFf: number("feed_forward_length"),
      nHeads,
      nKvHeads: number("attention.head_count_kv", nHeads),
      nLayers,
      headSizeK,
      headSizeV: number("attention.value_length", nEmbd / nHeads),
      eps: number("attention.layer_norm_rms_epsilon"),
    },
    definition: definitionOf(architecture),
    hyper,
    ropeSize: number("rope.dimension_count", headSizeK),
    ropeBase: number("rope.freq_base", 10_000) * (alpha > 0 ? alpha ** (headSizeK / (headSizeK - 2)) : 1),
    ropeScale: scaling === "none" ? 1 : 1 / (number("rope.scaling.factor", 0) || 1),
    ropeMagnitude: number("rope.scaling.attn_factor", 1),
    ropeFactors: factors ? vector(factors) : undefined,
    has,
    vector,
    matrix: (name) => {
      const columns = contents.tensors.find((tensor) => tensor.name === name)?.dims[0];
      return { columns: columns ?? 0, values: vector(name) };
    },
    bias: (name) => (has(name) ? vector(name) : undefined),
  };
}

/** The metadata below the architecture's name. Throws an Error if a number is wanted that is not there. */
export function hyperparametersOf({ metadata }: Pick<GgufContents, "metadata">): {
  readonly architecture: string;
  readonly hyper: Hyperparameters;
  readonly text: (key: string) => string | undefined;
} {
  const name = metadata.get("general.architecture");
  if (name?.type !== "string") throw new Error("the file names no architecture");
  const architecture = name.value;
  const value = (key: string): GgufValue | undefined => metadata.get(`${architecture}.${key}`);
  const number = (key: string, fallback?: number): number => {
    const found = value(key);
    if (found?.type === "array") return sameIn(key, found.values);
    if (found) return Number(found.value);
    if (fallback === undefined) throw new Error(`no ${architecture}.${key}`);
    return fallback;
  };
  const hyper: Hyperparameters = {
    number,
    list: (key) => {
      const found = value(key);
      if (found === undefined) return undefined;
      return found.type === "array" ? found.values.map(Number) : Number(found.value);
    },
    nEmbd: number("embedding_length"),
    nLayers: number("block_count"),
  };
  const text = (key: string) => {
    const found = value(key);
    return found?.type === "string" ? found.value : undefined;
  };
  return { architecture, hyper, text };
}

/** A list of one number a layer that is one number in truth. */
function sameIn(key: string, values: readonly GgufScalar["value"][]): number {
  if (new Set(values).size !== 1) throw new Error(`${key} differs between layers`);
  return Number(values[0]);
}
