/**
 * The rewriting of a model once more: what each tensor's rows and columns mean, and which of them stay. The result is a
 * whole GGUF file of the parent's architecture in f32, which the slow forward pass can run; it does so too where
 * llama.cpp's loader would want the width to be the heads', so that what a carrier holds can be compared in its names
 * ({@link carriedBy}).
 */

import { boolArray, f32, type GgufValue, text, u32 } from "./gguf-format.js";
import { type GgufContents, tensorValues } from "./gguf-reader.js";
import type { GgufFile, GgufTensor } from "./gguf-writer.js";
import { definitionOf, type Hyperparameters } from "./reference-definitions.js";
import { hyperparametersOf, type ReferenceShape, referenceModel } from "./reference-model.js";

type Indices = readonly number[];

/** What stays: ascending indices in the parent's own numbering; by kept layer where a layer has its own. */
export interface Kept {
  readonly hidden: Indices;
  readonly layers: Indices;
  readonly ffn: readonly Indices[];
  readonly heads: readonly Indices[];
  readonly kvHeads: readonly Indices[];
}

export interface SliceOptions {
  /** Whether RMSNorms are scaled as if the channels left out had been zero. @default true */
  readonly compensate?: boolean;
  /**
   * Whether queries and keys that have norms of their own are scaled so that the new epsilon, which a file has only one of,
   * weighs as much on them as the old one. Part of the compensation. @default false
   */
  readonly compensateQkNorms?: boolean;
  /** Sizes beyond what is kept, filled with zero channels. @default what is kept */
  readonly counts?: {
    readonly hidden?: number;
    readonly ffn?: number;
    readonly heads?: number;
    readonly kvHeads?: number;
  };
}

export function keepAll({ nEmbd, nFf, nHeads, nKvHeads, nLayers }: ReferenceShape): Kept {
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
  const everywhere = (count: number) => Array.from({ length: nLayers }, () => upTo(count));
  return {
    hidden: upTo(nEmbd),
    layers: upTo(nLayers),
    ffn: everywhere(nFf),
    heads: everywhere(nHeads),
    kvHeads: everywhere(nKvHeads),
  };
}

/** A channel that is not the parent's but zero. */
const zero = -1;

/** What an axis of a tensor counts. The fused ones count several things, one behind the other. */
type Axis = "hidden" | "ffn" | "gate-and-up" | "query" | "key" | "value" | "query-key-value" | "output" | "whole";

/** The meaning of [columns, rows] by the tensor's name without its layer. */
const axes: Readonly<Record<string, readonly Axis[]>> = {
  "token_embd.weight": ["hidden", "whole"],
  "output.weight": ["hidden", "whole"],
  "output.bias": ["whole"],
  "output_norm.weight": ["hidden"],
  "rope_freqs.weight": ["whole"],
  "rope_factors_long.weight": ["whole"],
  "rope_factors_short.weight": ["whole"],
  "attn_norm.weight": ["hidden"],
  "ffn_norm.weight": ["hidden"],
  "post_attention_norm.weight": ["hidden"],
  "post_ffw_norm.weight": ["hidden"],
  "attn_q.weight": ["hidden", "query"],
  "attn_q.bias": ["query"],
  "attn_k.weight": ["hidden", "key"],
  "attn_k.bias": ["key"],
  "attn_v.weight": ["hidden", "value"],
  "attn_v.bias": ["value"],
  "attn_qkv.weight": ["hidden", "query-key-value"],
  "attn_qkv.bias": ["query-key-value"],
  "attn_output.weight": ["output", "hidden"],
  "attn_output.bias": ["hidden"],
  "ffn_gate.weight": ["hidden", "ffn"],
  "ffn_gate.bias": ["ffn"],
  "ffn_up.weight": ["hidden", "ffn"],
  "ffn_up.bias": ["ffn"],
  "ffn_down.weight": ["ffn", "hidden"],
  "ffn_down.bias": ["hidden"],
};

/** Throws an Error for a tensor whose axes are not known. */
export function referenceSlice(contents: GgufContents, kept: Kept, options: SliceOptions = {}): GgufFile {
  const model = referenceModel(contents);
  const { shape, definition, hyper } = model;
  const counts = {
    hidden: kept.hidden.length,
    ffn: kept.ffn[0]?.length ?? 0,
    heads: kept.heads[0]?.length ?? 0,
    kvHeads: kept.kvHeads[0]?.length ?? 0,
    ...options.counts,
  };
  const { compensate = true, compensateQkNorms = false } = options;
  const stretch = (before: number, after: number) => (compensate ? Math.sqrt(before / after) : 1);
  const hiddenScale = stretch(shape.nEmbd, counts.hidden);
  // Gemma multiplies embeddings by the root of the width, which is another one now: the embeddings make up for that.
  const embeddingScale =
    definition.embeddingScale(hyper) / definition.embeddingScale({ ...hyper, nEmbd: counts.hidden });
  const tied = !model.has("output.weight");

  /** Which of the parent's indices each index of an axis has. */
  const indicesOf = (axis: Axis, size: number, layer: number): Indices => {
    const own = (indices: readonly Indices[]) => indices[layer] ?? [];
    const padded = (indices: Indices, count: number) => [
      ...indices,
      ...Array<number>(count - indices.length).fill(zero),
    ];
    const ffn = padded(own(kept.ffn), counts.ffn);
    const heads = padded(own(kept.heads), counts.heads);
    const kvHeads = padded(own(kept.kvHeads), counts.kvHeads);
    const query = spread(heads, shape.headSizeK);
    const key = spread(kvHeads, shape.headSizeK);
    const value = spread(kvHeads, shape.headSizeV);
    const nQuery = shape.nHeads * shape.headSizeK;
    switch (axis) {
      case "whole":
        return Array.from({ length: size }, (_, i) => i);
      case "hidden":
        return padded(kept.hidden, counts.hidden);
      case "ffn":
        return ffn;
      case "gate-and-up":
        return [...ffn, ...moved(ffn, shape.nFf)];
      case "query":
        return query;
      case "key":
        return key;
      case "value":
        return value;
      case "output":
        return spread(heads, shape.headSizeV);
      case "query-key-value":
        return [...query, ...moved(key, nQuery), ...moved(value, nQuery + shape.nKvHeads * shape.headSizeK)];
    }
  };
  const axesOf = (name: string): readonly Axis[] => {
    if (definition.fusedGateUp && name === "ffn_up.weight") return ["hidden", "gate-and-up"];
    if (name === "attn_q_norm.weight") return [definition.qkNorm === "all-heads" ? "query" : "whole"];
    if (name === "attn_k_norm.weight") return [definition.qkNorm === "all-heads" ? "key" : "whole"];
    const known = axes[name];
    if (!known) throw new Error(`the axes of ${name} are not known`);
    return known;
  };
  const queryScale = stretch(shape.nHeads, counts.heads);
  const keyScale = stretch(shape.nKvHeads, counts.kvHeads);
  /** A norm of all heads together counts those that are left out, as the hidden ones do. */
  const ofQkNorm = (scale: number) => (definition.qkNorm === "all-heads" ? scale : 1);
  const scaleOf = (name: string): number => {
    if (compensate && compensateQkNorms && definition.qkNorm !== "none") {
      if (name.startsWith("attn_q.")) return hiddenScale / ofQkNorm(queryScale);
      if (name.startsWith("attn_k.")) return hiddenScale / ofQkNorm(keyScale);
    }
    if (name === "token_embd.weight") return embeddingScale;
    // The output matrix has the embeddings' scale where it is the embedding matrix.
    if (name === "output_norm.weight") return tied ? hiddenScale / embeddingScale : hiddenScale;
    if (!name.includes("norm")) return 1;
    if (name === "attn_q_norm.weight") return ofQkNorm(queryScale);
    return name === "attn_k_norm.weight" ? ofQkNorm(keyScale) : hiddenScale;
  };

  const tensors = contents.tensors.flatMap((tensor): GgufTensor[] => {
    const { name, layer } = splitName(tensor.name);
    const newLayer = layer === undefined ? 0 : kept.layers.indexOf(layer);
    if (newLayer < 0) return [];
    const [columns, rows] = axesOf(name).map((axis, i) => indicesOf(axis, tensor.dims[i] ?? 1, newLayer));
    const values = taken(tensorValues(contents, tensor.name), tensor.dims[0] ?? 0, columns ?? [], rows ?? [0]);
    const scale = scaleOf(name);
    return [
      {
        name: layer === undefined ? name : `blk.${newLayer}.${name}`,
        type: "f32",
        dims: rows ? [columns?.length ?? 0, rows.length] : [columns?.length ?? 0],
        values: scale === 1 ? values : values.map((value) => value * scale),
      },
    ];
  });
  return { metadata: [...slicedMetadata(contents, kept, counts, hiddenScale ** 2)], tensors };
}

/** A sliced file as one of another architecture that computes the same: under its names, and in its matrices. */
export function carriedBy(architecture: string, { metadata, tensors }: GgufFile): GgufFile {
  const { architecture: ownName, hyper } = hyperparametersOf({ metadata: new Map(metadata) });
  if (ownName === architecture) return { metadata, tensors };
  const renamed = metadata.map(([key, value]): readonly [string, GgufValue] => {
    if (key === "general.architecture") return [key, text(architecture)];
    return [key.startsWith(`${ownName}.`) ? architecture + key.slice(ownName.length) : key, value];
  });
  return { metadata: renamed, tensors: carriedTensors(ownName, architecture, hyper, tensors) };
}

function carriedTensors(
  ownName: string,
  architecture: string,
  hyper: Hyperparameters,
  tensors: readonly GgufTensor[],
): GgufTensor[] {
  const own = definitionOf(ownName);
  const other = definitionOf(architecture);
  const nQuery = hyper.number("attention.head_count") * hyper.number("attention.key_length");
  const nKey = hyper.number("attention.head_count_kv") * hyper.number("attention.key_length");
  const nValue = hyper.number("attention.head_count_kv") * hyper.number("attention.value_length");
  const nFf = hyper.number("feed_forward_length");
  return tensors.flatMap((tensor) => {
    const { name, layer } = splitName(tensor.name);
    const [part, kind] = name.split(".");
    const inLayer = (base: string) => `blk.${layer}.${base}.${kind}`;
    if (layer !== undefined && part === own.ffnNorm) return [{ ...tensor, name: inLayer(other.ffnNorm) }];
    const split = (parts: readonly (readonly [name: string, size: number])[]) => {
      const [columns = 1] = kind === "bias" ? [] : tensor.dims;
      const begins = parts.map((_, i) => parts.slice(0, i).reduce((sum, [, size]) => sum + size, 0));
      return parts.map(([base, size], i) => ({
        ...tensor,
        name: inLayer(base),
        dims: kind === "bias" ? [size] : [columns, size],
        values: tensor.values.subarray((begins[i] ?? 0) * columns, ((begins[i] ?? 0) + size) * columns),
      }));
    };
    if (part === "attn_qkv")
      return split([
        ["attn_q", nQuery],
        ["attn_k", nKey],
        ["attn_v", nValue],
      ]);
    if (part === "ffn_up" && own.fusedGateUp && !other.fusedGateUp)
      return split([
        ["ffn_gate", nFf],
        ["ffn_up", nFf],
      ]);
    return [tensor];
  });
}

function slicedMetadata(
  contents: GgufContents,
  kept: Kept,
  counts: { readonly hidden: number; readonly ffn: number; readonly heads: number; readonly kvHeads: number },
  epsScale: number,
): Map<string, GgufValue> {
  const { shape, hyper, definition, ropeSize } = referenceModel(contents);
  const metadata = new Map(contents.metadata);
  const set = (key: string, value: GgufValue) => metadata.set(`${shape.architecture}.${key}`, value);
  set("embedding_length", u32(counts.hidden));
  set("feed_forward_length", u32(counts.ffn));
  set("block_count", u32(kept.layers.length));
  set("attention.head_count", u32(counts.heads));
  set("attention.head_count_kv", u32(counts.kvHeads));
  set("attention.layer_norm_rms_epsilon", f32(Math.fround(shape.eps * epsScale)));
  // What would else follow from the sizes.
  set("attention.key_length", u32(shape.headSizeK));
  set("attention.value_length", u32(shape.headSizeV));
  set("rope.dimension_count", u32(ropeSize));
  if (shape.architecture === "minicpm") {
    set("embedding_scale", f32(definition.embeddingScale(hyper)));
    set("residual_scale", f32(definition.residualScale(hyper)));
    set("logit_scale", f32(definition.logitDivisor(hyper)));
  }
  const isWindowed = kept.layers.map((layer) => definition.attention(layer, hyper).window !== undefined);
  if (kept.layers.length < shape.nLayers && isWindowed.includes(true))
    set("attention.sliding_window_pattern", boolArray(isWindowed));
  return metadata;
}

function splitName(name: string): { readonly name: string; readonly layer: number | undefined } {
  const found = /^blk\.(\d+)\.(.+)$/.exec(name);
  return found ? { name: found[2] ?? "", layer: Number(found[1]) } : { name, layer: undefined };
}

/** The values of whole heads. */
const spread = (heads: Indices, headSize: number): number[] =>
  heads.flatMap((head) => Array.from({ length: headSize }, (_, i) => (head === zero ? zero : head * headSize + i)));

const moved = (indices: Indices, by: number): number[] => indices.map((i) => (i === zero ? zero : i + by));

function taken(values: Float32Array, nColumns: number, columns: Indices, rows: Indices): Float32Array {
  const result = new Float32Array(columns.length * rows.length);
  for (const [r, row] of rows.entries())
    for (const [c, column] of columns.entries())
      if (row !== zero && column !== zero) result[r * columns.length + c] = values[row * nColumns + column] as number;
  return result;
}
