/**
 * Tiny decoder models with random weights, which llama.cpp loads and runs like real ones. A weight depends on the seed and
 * the tensor's name only: two models with one seed have equal layers whatever their depth, tokenizer or weight type, which
 * makes depth-pruned pairs and pairs of one model at two quantisations easy to build.
 */

import { f32, type GgufMetadata, type GgufValue, text, textArray, u32, u32Array } from "./gguf-format.js";
import { type EncodedGguf, type GgufFile, type GgufTensor, writeGguf } from "./gguf-writer.js";
import { isTensorType, type TensorType, tensorTypes } from "./tensor-encoding.js";
import { type Architecture, featuresOf, isRecurrent } from "./tiny-model-architectures.js";
import { modelTensors, stepRank, type TinyModelShape } from "./tiny-model-tensors.js";
import { builtInTokenizer, type Tokenizer, type TokenizerKind, tokenizerFrom } from "./tokenizers.js";

export type { Architecture } from "./tiny-model-architectures.js";
export type { TinyModelShape } from "./tiny-model-tensors.js";

export interface RopeScaling {
  readonly type: "none" | "linear" | "yarn" | "longrope";
  readonly factor: number;
  /** Tokens the model was first trained on. @default contextLength */
  readonly originalContextLength?: number;
}

export interface TinyModelOptions {
  /** @default "llama" */
  readonly architecture?: Architecture;
  /** A 32-bit integer. @default 1 */
  readonly seed?: number;
  /** @default 2, but 4 for smollm3 and 32 for baichuan */
  readonly nLayers?: number;
  /**
   * Which layer's weights each layer has, in place of `nLayers`: `[0, 3]` is a depth-pruned cut of any deeper model of the
   * same seed. @default 0 to nLayers - 1
   */
  readonly layers?: readonly number[];
  /** Width of the residual stream. @default 64; nHeads * headSize where heads must fill it */
  readonly nEmbd?: number;
  /** @default 128 */
  readonly nFf?: number;
  /** @default 4 */
  readonly nHeads?: number;
  /** @default 2 */
  readonly nKvHeads?: number;
  /** Values per head of K and V; a quantised KV cache needs a multiple of 32. @default 32 */
  readonly headSize?: number;
  /** Tokens. @default 512 */
  readonly contextLength?: number;
  /** @default 10000 */
  readonly ropeBase?: number;
  /** @default none */
  readonly ropeScaling?: RopeScaling;
  /** headSize / 2 divisors of the rotation frequencies (Llama 3.1's `rope_freqs.weight`). @default none */
  readonly ropeFreqFactors?: Float32Array;
  /**
   * The window in tokens, and that each `pattern`-th layer sees everything. Other models than gemma2, gemma3, olmo2 and
   * exaone4 (if it has 64 layers) have none. @default { window: 64, pattern: 2 } for gemma2 and gemma3, else none
   */
  readonly slidingWindow?: { readonly window: number; readonly pattern: number };
  /** Values of a channel's state in mamba. @default 16 */
  readonly stateSize?: number;
  /**
   * Type of the matrices; vectors are f32 always. The variable OVERFILL_TEST_WEIGHTS of the environment names another
   * default, for models whose rows it fits: so a suite runs on quantised weights. @default "f32"
   */
  readonly weightType?: TensorType;
  /** Whether the output matrix is the embedding matrix; some architectures know one way only. @default true where it can be */
  readonly tiedEmbeddings?: boolean;
  /** @default "bpe" */
  readonly tokenizer?: TokenizerKind;
  /** A GGUF file to take the tokenizer from, in place of a built-in one. */
  readonly tokenizerFrom?: string;
  /** Alters the token list, say for a pair whose vocabularies differ in one token. */
  readonly vocabEdit?: (tokens: string[]) => string[];
  /** @default "tiny" */
  readonly name?: string;
  /** Entries to add or to put in place of the generated ones; `undefined` takes one out. */
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  /** Alters the tensor list, for broken models. */
  readonly tensorEdit?: (tensors: GgufTensor[]) => GgufTensor[];
}

export interface TinyModel {
  readonly path: string;
  readonly nVocab: number;
  readonly shape: TinyModelShape;
  readonly encoded: EncodedGguf;
}

/**
 * Writes a model file. Throws a RangeError for sizes that no such model can have; see {@link TinyModelOptions} for the
 * hooks that make broken ones.
 */
export async function writeTinyModel(path: string, options: TinyModelOptions = {}): Promise<TinyModel> {
  const { file, shape, nVocab } = await tinyModel(options);
  return { path, nVocab, shape, encoded: await writeGguf(path, file) };
}

/** A model as the parts of its file, not written yet. */
export async function tinyModel(
  options: TinyModelOptions = {},
): Promise<{ file: GgufFile; shape: TinyModelShape; nVocab: number }> {
  const tokenizer = options.tokenizerFrom
    ? await tokenizerFrom(options.tokenizerFrom)
    : builtInTokenizer(options.tokenizer ?? "bpe");
  const tokens = options.vocabEdit?.([...tokenizer.tokens]) ?? tokenizer.tokens;
  const shape = shapeOf(options);
  const tensors = modelTensors(shape, { ...tokenizer, tokens });
  const metadata = modelMetadata(options, shape, { ...tokenizer, tokens });
  const file = { metadata, tensors: options.tensorEdit?.([...tensors]) ?? tensors };
  return { file, shape, nVocab: tokens.length };
}

const wishedType = process.env.OVERFILL_TEST_WEIGHTS ?? "f32";
if (!isTensorType(wishedType)) throw new RangeError(`OVERFILL_TEST_WEIGHTS: no tiny model is of ${wishedType}`);
const usualType = wishedType;

function shapeOf(options: TinyModelOptions): TinyModelShape {
  const architecture = options.architecture ?? "llama";
  const { square, tied, ropeFactors, recurrent, nLayers = 2 } = featuresOf(architecture);
  const { nHeads = 4, headSize = 32 } = options;
  const shape = {
    architecture,
    seed: options.seed ?? 1,
    layers: options.layers ?? Array.from({ length: options.nLayers ?? nLayers }, (_, layer) => layer),
    nEmbd: options.nEmbd ?? (square ? nHeads * headSize : 64),
    nFf: options.nFf ?? 128,
    nHeads,
    nKvHeads: options.nKvHeads ?? 2,
    headSize,
    tiedEmbeddings: options.tiedEmbeddings ?? tied !== "never",
    ropeFreqFactors: options.ropeFreqFactors,
    stateSize: options.stateSize ?? 16,
  };
  const { nEmbd, nFf, nKvHeads, tiedEmbeddings } = shape;
  const widths = [nEmbd, nFf, nHeads * headSize, ...(recurrent === "state-space" ? [stepRank] : [])];
  const fits = (type: TensorType) => widths.every((columns) => columns % tensorTypes[type].blockValues === 0);
  const weightType = options.weightType ?? (fits(usualType) ? usualType : "f32");
  const mustHold = (holds: boolean, rule: string) => {
    if (!holds) throw new RangeError(`no tiny ${architecture} model: ${rule}`);
  };
  mustHold(nHeads % nKvHeads === 0, "nHeads must be a multiple of nKvHeads");
  mustHold(headSize % 2 === 0, "headSize must be even");
  mustHold(!square || nEmbd === nHeads * headSize, "nEmbd must be nHeads * headSize");
  mustHold(tied !== "always" || tiedEmbeddings, "its embeddings are tied");
  mustHold(tied !== "never" || !tiedEmbeddings, "its embeddings are not tied");
  mustHold(ropeFactors !== undefined || !shape.ropeFreqFactors, "it reads no ropeFreqFactors");
  mustHold(
    fits(weightType),
    `rows must be multiples of ${tensorTypes[weightType].blockValues} values for ${weightType}`,
  );
  return { ...shape, weightType };
}

function modelMetadata(options: TinyModelOptions, shape: TinyModelShape, tokenizer: Tokenizer): GgufMetadata {
  const { architecture } = shape;
  const { contextLength = 512, ropeScaling } = options;
  const features = featuresOf(architecture);
  const own: Record<string, GgufValue> = {
    context_length: u32(contextLength),
    embedding_length: u32(shape.nEmbd),
    block_count: u32(shape.layers.length),
    feed_forward_length: u32(shape.nFf),
    "attention.head_count": u32(shape.nHeads),
    "attention.head_count_kv":
      features.recurrent === "short-convolution"
        ? u32Array(shape.layers.map((_, layer) => (isRecurrent(features, layer) ? 0 : shape.nKvHeads)))
        : u32(shape.nKvHeads),
    "attention.key_length": u32(shape.headSize),
    "attention.value_length": u32(shape.headSize),
    "attention.layer_norm_rms_epsilon": f32(1e-5),
    "rope.dimension_count": u32(features.partialRotary ? shape.headSize / 2 : shape.headSize),
    "rope.freq_base": f32(options.ropeBase ?? 10_000),
    vocab_size: u32(tokenizer.tokens.length),
  };
  if (ropeScaling) {
    own["rope.scaling.type"] = text(ropeScaling.type);
    own["rope.scaling.factor"] = f32(ropeScaling.factor);
    own["rope.scaling.original_context_length"] = u32(ropeScaling.originalContextLength ?? contextLength);
  }
  if (features.slidingWindow === "always" || (features.slidingWindow && options.slidingWindow)) {
    const { window, pattern } = options.slidingWindow ?? { window: 64, pattern: 2 };
    own["attention.sliding_window"] = u32(window);
    own["attention.sliding_window_pattern"] = u32(pattern);
  }
  Object.assign(own, features.metadata);
  if (features.recurrent === "state-space") own["ssm.state_size"] = u32(shape.stateSize);
  const entries = new Map<string, GgufValue>([
    ["general.architecture", text(architecture)],
    ["general.name", text(options.name ?? "tiny")],
    ["general.file_type", u32(tensorTypes[shape.weightType].fileType)],
    ...Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...tokenizer.metadata,
    ["tokenizer.ggml.tokens", textArray(tokenizer.tokens)],
  ]);
  for (const [key, value] of Object.entries(options.metadata ?? {})) {
    if (value) entries.set(key, value);
    else entries.delete(key);
  }
  return [...entries];
}
