/**
 * The tensors of a tiny model: names and shapes as llama.cpp's architectures ask for them (`src/models/*.cpp`), values
 * random.
 *
 * Matrices have deviation 1 / sqrt(columns), so that activations keep their size from layer to layer. Three places deviate
 * on purpose, to make the models good test subjects:
 *
 * - queries are larger, so that attention is sharp and an error in the KV cache shows in the logits;
 * - the last norm is larger, so that the next-token distribution is peaked and greedy choices are not near-ties;
 * - rows of control tokens are small in the embedding (and output) matrix, so that a greedy run never picks EOS by chance.
 */

import type { GgufTensor } from "./gguf-writer.js";
import { gaussian, mulberry32, namedSeed } from "./random.js";
import type { TensorType } from "./tensor-encoding.js";
import { type Architecture, type Features, featuresOf, isRecurrent } from "./tiny-model-architectures.js";
import { type Tokenizer, tokenTypes } from "./tokenizers.js";

/** The size of a model, with every default filled in. */
export interface TinyModelShape {
  readonly architecture: Architecture;
  readonly seed: number;
  readonly layers: readonly number[];
  readonly nEmbd: number;
  readonly nFf: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headSize: number;
  readonly weightType: TensorType;
  readonly tiedEmbeddings: boolean;
  readonly ropeFreqFactors: Float32Array | undefined;
  readonly stateSize: number;
}

/** Factor on the queries: attention scores then deviate by about 3. */
const queryGain = 3;
/** Factor on the last norm: logits then deviate by about 3. */
const logitGain = 3;
const controlTokenGain = 0.01;

/** Columns of the matrix from which a state-space layer's steps are made. */
export const stepRank = 8;

/** All tensors of a model, in llama.cpp's usual order. */
export function modelTensors(shape: TinyModelShape, tokenizer: Tokenizer): GgufTensor[] {
  const { nEmbd } = shape;
  const { embeddingScale, logitDivisor } = featuresOf(shape.architecture);
  const make = new TensorMaker(shape);
  // Embeddings that llama.cpp scales up are made as much smaller, or they would drown what the layers add; a tied output
  // matrix is then that much smaller too, for which the last norm makes up.
  const embeddingGain = embeddingScale ? 1 / embeddingScale(nEmbd) : 1;
  const lastNormGain = logitGain * (logitDivisor?.(nEmbd) ?? 1);
  const lastNorm = shape.architecture === "lfm2" ? "token_embd_norm.weight" : "output_norm.weight";
  const tensors = [
    make.vocabulary("token_embd.weight", tokenizer, embeddingGain),
    make.norm(lastNorm, nEmbd, shape.tiedEmbeddings ? lastNormGain / embeddingGain : lastNormGain),
  ];
  if (!shape.tiedEmbeddings) tensors.push(make.vocabulary("output.weight", tokenizer));
  return tensors.concat(
    ropeFactorTensors(shape),
    ...shape.layers.map((origin, layer) => layerTensors(shape, layer, origin)),
  );
}

/** Factors for long contexts are twice as large as those for short ones. */
function ropeFactorTensors({ architecture, ropeFreqFactors: values }: TinyModelShape): GgufTensor[] {
  if (!values) return [];
  const tensor = { type: "f32", dims: [values.length] } as const;
  if (featuresOf(architecture).ropeFactors === "one") return [{ ...tensor, name: "rope_freqs.weight", values }];
  return [
    { ...tensor, name: "rope_factors_long.weight", values: values.map((value) => value * 2) },
    { ...tensor, name: "rope_factors_short.weight", values },
  ];
}

function layerTensors(shape: TinyModelShape, layer: number, origin: number): GgufTensor[] {
  const { nEmbd, nFf, nHeads, nKvHeads, headSize } = shape;
  const features = featuresOf(shape.architecture);
  const { norms, qkNorm } = features;
  const make = new TensorMaker(shape, `blk.${layer}.`, `blk.${origin}.`);
  if (isRecurrent(features, layer)) return recurrentTensors(features, shape, make);
  const nQuery = nHeads * headSize;
  const nKv = nKvHeads * headSize;
  // With a norm on the queries, their size is that norm's.
  const matrixGain = qkNorm ? 1 : queryGain;
  const qkv = [
    make.matrix("attn_q.weight", [nEmbd, nQuery], matrixGain),
    make.matrix("attn_k.weight", [nEmbd, nKv]),
    make.matrix("attn_v.weight", [nEmbd, nKv]),
  ];
  const gateUp = [make.matrix("ffn_gate.weight", [nEmbd, nFf]), make.matrix("ffn_up.weight", [nEmbd, nFf])];
  const ffnNorm = features.ffnNormIsPostAttention ? "post_attention_norm.weight" : "ffn_norm.weight";
  const tensors = [
    ...(norms === "after" ? [] : [make.norm("attn_norm.weight", nEmbd)]),
    ...(features.fusedQkv ? [make.fused("attn_qkv.weight", qkv)] : qkv),
    make.matrix("attn_output.weight", [nQuery, nEmbd]),
    ...(norms === "after" ? [] : [make.norm(ffnNorm, nEmbd)]),
    ...(features.fusedGateUp ? [make.fused("ffn_up.weight", gateUp)] : gateUp),
    make.matrix("ffn_down.weight", [nFf, nEmbd]),
  ];
  if (features.qkvBias)
    tensors.push(make.bias("attn_q.bias", nQuery), make.bias("attn_k.bias", nKv), make.bias("attn_v.bias", nKv));
  if (features.outputBias) tensors.push(make.bias("attn_output.bias", nEmbd));
  if (features.ffnBias)
    tensors.push(make.bias("ffn_gate.bias", nFf), make.bias("ffn_up.bias", nFf), make.bias("ffn_down.bias", nEmbd));
  if (qkNorm) {
    const [nQueryNorm, nKeyNorm] = qkNorm === "head" ? [headSize, headSize] : [nQuery, nKv];
    tensors.push(make.norm("attn_q_norm.weight", nQueryNorm, queryGain), make.norm("attn_k_norm.weight", nKeyNorm));
  }
  if (norms) tensors.push(make.norm("post_attention_norm.weight", nEmbd), make.norm("post_ffw_norm.weight", nEmbd));
  return tensors;
}

/** A layer with a state: all of a Mamba layer, or a short convolution with its FFN. */
function recurrentTensors(
  { recurrent }: Features,
  { nEmbd, nFf, stateSize: nState }: TinyModelShape,
  make: TensorMaker,
): GgufTensor[] {
  const norm = make.norm("attn_norm.weight", nEmbd);
  if (recurrent === "short-convolution")
    return [
      norm,
      make.filter("shortconv.conv.weight", [3, nEmbd]),
      make.matrix("shortconv.in_proj.weight", [nEmbd, 3 * nEmbd]),
      make.matrix("shortconv.out_proj.weight", [nEmbd, nEmbd], queryGain),
      make.norm("ffn_norm.weight", nEmbd),
      make.matrix("ffn_gate.weight", [nEmbd, nFf]),
      make.matrix("ffn_up.weight", [nEmbd, nFf]),
      make.matrix("ffn_down.weight", [nFf, nEmbd]),
    ];
  const [nInner, rank] = [2 * nEmbd, stepRank];
  // The state decays: A is negative.
  const decay = make.filter("ssm_a", [nState, nInner]);
  return [
    norm,
    make.matrix("ssm_in.weight", [nEmbd, 2 * nInner]),
    make.filter("ssm_conv1d.weight", [4, nInner]),
    make.bias("ssm_conv1d.bias", nInner),
    make.matrix("ssm_x.weight", [nInner, rank + 2 * nState]),
    make.matrix("ssm_dt.weight", [rank, nInner]),
    make.bias("ssm_dt.bias", nInner),
    { ...decay, values: decay.values.map((value) => -Math.abs(value)) },
    make.bias("ssm_d", nInner),
    make.matrix("ssm_out.weight", [nInner, nEmbd], queryGain),
  ];
}

/** Makes tensors whose values follow from the model's seed and the tensor's name. */
class TensorMaker {
  readonly #shape: TinyModelShape;
  readonly #prefix: string;
  readonly #originPrefix: string;

  /** `originPrefix` begins the names that values are drawn for, where those are not the names in the file. */
  constructor(shape: TinyModelShape, prefix = "", originPrefix = prefix) {
    this.#shape = shape;
    this.#prefix = prefix;
    this.#originPrefix = originPrefix;
  }

  matrix(name: string, dims: readonly [columns: number, rows: number], gain = 1): GgufTensor {
    const [columns, rows] = dims;
    const values = this.#gaussians(name, columns * rows, gain / Math.sqrt(columns));
    return { name: this.#prefix + name, type: this.#shape.weightType, dims, values };
  }

  /** A matrix that llama.cpp wants in f32. */
  filter(name: string, dims: readonly [columns: number, rows: number]): GgufTensor {
    return { ...this.matrix(name, dims), type: "f32" };
  }

  /** The rows of several matrices in one. */
  fused(name: string, parts: readonly GgufTensor[]): GgufTensor {
    const dims = [parts[0]?.dims[0] ?? 0, parts.reduce((rows, part) => rows + (part.dims[1] ?? 0), 0)];
    const values = Float32Array.from(parts.flatMap((part) => [...part.values]));
    return { name: this.#prefix + name, type: this.#shape.weightType, dims, values };
  }

  /** One row per token; control tokens get small ones. */
  vocabulary(name: string, { tokens, types }: Tokenizer, gain = 1): GgufTensor {
    const { nEmbd } = this.#shape;
    const tensor = this.matrix(name, [nEmbd, tokens.length], gain);
    types.forEach((type, id) => {
      if (type !== tokenTypes.control) return;
      const row = tensor.values.subarray(id * nEmbd, (id + 1) * nEmbd);
      row.forEach((value, i) => {
        row[i] = value * controlTokenGain;
      });
    });
    return tensor;
  }

  /** A vector around `mean`, and not all equal, so that a norm that is left out or mixed up shows. */
  norm(name: string, size: number, mean = 1): GgufTensor {
    const values = this.#gaussians(name, size, 0.1 * mean).map((value) => mean + value);
    return { name: this.#prefix + name, type: "f32", dims: [size], values };
  }

  bias(name: string, size: number): GgufTensor {
    return { name: this.#prefix + name, type: "f32", dims: [size], values: this.#gaussians(name, size, 0.5) };
  }

  #gaussians(name: string, size: number, deviation: number): Float32Array {
    const next = gaussian(mulberry32(namedSeed(this.#shape.seed, this.#originPrefix + name)));
    return Float32Array.from({ length: size }, () => next() * deviation);
  }
}
