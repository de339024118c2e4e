/** Bad models in a sound container: metadata that no model can have, tensors or a tokenizer that do not fit. */

import type { BadModelCase } from "./bad-model-case.js";
import { bool, f32, f32Array, type GgufValue, i32, i32Array, text, textArray, u32, u32Array } from "./gguf-format.js";
import { encodeGguf, type GgufTensor } from "./gguf-writer.js";
import { type Architecture, type TinyModelOptions, tinyModel } from "./tiny-model.js";

type Case = readonly [title: string, options: TinyModelOptions];
type Edits = Readonly<Record<string, GgufValue | undefined>>;

export async function contentCases(): Promise<BadModelCase[]> {
  const cases = [...badSizes, ...badNumbers, ...wrongTypes, ...badTokenizers, ...badTensors];
  return Promise.all(
    cases.map(async ([title, options]) => ({ title, bytes: encodeGguf((await tinyModel(options)).file).bytes })),
  );
}

/** A case by its metadata; keys are given without the architecture's prefix, llama. */
const llama = (title: string, edits: Edits): Case => [
  title,
  { metadata: Object.fromEntries(Object.entries(edits).map(([key, value]) => [`llama.${key}`, value])) },
];

function rotated(title: string, architecture: Architecture, dimensions: number): Case {
  return [title, { architecture, metadata: { [`${architecture}.rope.dimension_count`]: u32(dimensions) } }];
}

const badSizes: readonly Case[] = [
  ["no architecture", { metadata: { "general.architecture": undefined } }],
  llama("no block count", { block_count: undefined }),
  llama("0 blocks", { block_count: u32(0) }),
  llama("fewer blocks than its tensors", { block_count: u32(1) }),
  llama("more blocks than its tensors", { block_count: u32(3) }),
  llama("100,000 blocks", { block_count: u32(100_000) }),
  llama("2^32 - 1 blocks", { block_count: u32(2 ** 32 - 1) }),
  llama("no embedding length", { embedding_length: undefined }),
  llama("an embedding length of 0", { embedding_length: u32(0) }),
  llama("an embedding length of 2^32 - 1", { embedding_length: u32(2 ** 32 - 1) }),
  llama("another embedding length than its tensors", { embedding_length: u32(96) }),
  llama("no context length", { context_length: undefined }),
  llama("a context length of 0", { context_length: u32(0) }),
  llama("no feed-forward length", { feed_forward_length: undefined }),
  llama("a feed-forward length of 0", { feed_forward_length: u32(0) }),
  llama("no head count", { "attention.head_count": undefined }),
  llama("0 heads", { "attention.head_count": u32(0) }),
  llama("2^32 - 1 heads", { "attention.head_count": u32(2 ** 32 - 1) }),
  llama("a head count that does not divide its width", {
    "attention.head_count": u32(3),
    "attention.key_length": undefined,
    "attention.value_length": undefined,
  }),
  llama("0 KV heads", { "attention.head_count_kv": u32(0) }),
  llama("more KV heads than heads", { "attention.head_count_kv": u32(8) }),
  llama("no KV heads in one layer of two", { "attention.head_count_kv": u32Array([2, 0]) }),
  ["KV heads that do not divide its heads, with tensors to match", heads(4, 3)],
  ["more KV heads than heads, with tensors to match", heads(2, 4)],
  ["an odd head size, with tensors to match", heads(4, 2, 33)],
  ["keys and values of different sizes, with tensors to match", heads(4, 2, 32, 16)],
  llama("a key length of 0", { "attention.key_length": u32(0), "rope.dimension_count": u32(0) }),
  llama("another key length than its tensors", { "attention.key_length": u32(48), "rope.dimension_count": u32(48) }),
  llama("another value length than its tensors", { "attention.value_length": u32(16) }),
  llama("fewer rotated dimensions than a head has", { "rope.dimension_count": u32(16) }),
  rotated("fewer rotated dimensions than a qwen2 head has", "qwen2", 16),
  rotated("more rotated dimensions than a qwen3 head has", "qwen3", 64),
  rotated("more rotated dimensions than a gemma3 head has", "gemma3", 64),
  rotated("an odd number of rotated dimensions", "gemma3", 31),
  rotated("no rotated dimensions", "gemma3", 0), // llama.cpp v0.5.0 never returns from this one
  llama("more experts than llama.cpp knows", { expert_count: u32(2 ** 31), expert_used_count: u32(2) }),
  llama("experts in use, but none", { expert_used_count: u32(2) }),
  llama("experts, but no tensors for them", { expert_count: u32(4), expert_used_count: u32(2) }),
  llama("experts, but none in use", { expert_count: u32(4) }),
  llama("expert groups, but no experts", { expert_group_count: u32(2) }),
  llama("expert groups of different sizes", {
    expert_count: u32(4),
    expert_used_count: u32(2),
    expert_group_count: u32(3),
  }),
  llama("more next-token layers than blocks", { nextn_predict_layers: u32(3) }),
];

/** A model of any heads, with every tensor in the shape that its metadata asks for. */
function heads(nHeads: number, nKvHeads: number, keySize = 32, valueSize = keySize): TinyModelOptions {
  const nEmbd = 64;
  const dims: Record<string, readonly [columns: number, rows: number]> = {
    attn_q: [nEmbd, nHeads * keySize],
    attn_k: [nEmbd, nKvHeads * keySize],
    attn_v: [nEmbd, nKvHeads * valueSize],
    attn_output: [nHeads * keySize, nEmbd], // llama.cpp takes the key size here
  };
  const reshaped = (tensor: GgufTensor): GgufTensor => {
    const [columns, rows] = dims[tensor.name.split(".")[2] ?? ""] ?? [0, 0];
    return columns ? { ...tensor, dims: [columns, rows], values: new Float32Array(columns * rows).fill(0.1) } : tensor;
  };
  return {
    nEmbd,
    metadata: {
      "llama.attention.head_count": u32(nHeads),
      "llama.attention.head_count_kv": u32(nKvHeads),
      "llama.attention.key_length": u32(keySize),
      "llama.attention.value_length": u32(valueSize),
      "llama.rope.dimension_count": u32(keySize),
    },
    tensorEdit: (tensors) => tensors.map(reshaped),
  };
}

const badNumbers: readonly Case[] = [
  llama("a RoPE base that is not a number", { "rope.freq_base": f32(Number.NaN) }),
  llama("an infinite RoPE base", { "rope.freq_base": f32(Number.POSITIVE_INFINITY) }),
  llama("a negative RoPE base", { "rope.freq_base": f32(-10_000) }),
  llama("a RoPE base of 0", { "rope.freq_base": f32(0) }),
  llama("an unknown RoPE scaling", { "rope.scaling.type": text("elastic") }),
  llama("a RoPE scaling factor that is not a number", { "rope.scaling.factor": f32(Number.NaN) }),
  llama("a negative RoPE scaling factor", { "rope.scaling.factor": f32(-4) }),
  llama("a RoPE attention factor that is not a number", { "rope.scaling.attn_factor": f32(Number.NaN) }),
  llama("no norm epsilon", { "attention.layer_norm_rms_epsilon": undefined }),
  llama("a norm epsilon that is not a number", { "attention.layer_norm_rms_epsilon": f32(Number.NaN) }),
  llama("a negative norm epsilon", { "attention.layer_norm_rms_epsilon": f32(-1) }),
  llama("an infinite norm epsilon", { "attention.layer_norm_rms_epsilon": f32(Number.POSITIVE_INFINITY) }),
];

const wrongTypes: readonly Case[] = [
  ["an architecture that is a number", { metadata: { "general.architecture": u32(1) } }],
  llama("a block count that is a string", { block_count: text("2") }),
  llama("an embedding length that is a float", { embedding_length: f32(64) }),
  llama("a context length that is signed", { context_length: i32(-1) }),
  llama("a RoPE base that is an integer", { "rope.freq_base": u32(10_000) }),
  llama("head counts for one layer of two", { "attention.head_count": u32Array([4]) }),
  llama("head counts for three layers of two", { "attention.head_count": u32Array([4, 4, 4]) }),
  llama("a head count that is a boolean", { "attention.head_count": bool(true) }),
];

const tokenizer = (title: string, edits: Edits): Case => [
  title,
  { metadata: Object.fromEntries(Object.entries(edits).map(([key, value]) => [`tokenizer.ggml.${key}`, value])) },
];

const badTokenizers: readonly Case[] = [
  tokenizer("no tokenizer", {
    model: undefined,
    pre: undefined,
    tokens: undefined,
    scores: undefined,
    token_type: undefined,
    merges: undefined,
  }),
  tokenizer("no tokenizer model", { model: undefined }),
  tokenizer("an unknown tokenizer model", { model: text("abacus") }),
  tokenizer("an unknown pre-tokenizer", { pre: text("abacus") }),
  tokenizer("no tokens", { tokens: undefined }),
  tokenizer("an empty token list", { tokens: textArray([]) }),
  tokenizer("tokens that are numbers", { tokens: i32Array([1, 2, 3]) }),
  tokenizer("no merges", { merges: undefined }),
  tokenizer("too few scores", { scores: f32Array([0, 0]) }),
  tokenizer("too few token types", { token_type: i32Array([1, 1]) }),
  ["fewer tokens than embeddings", { metadata: oneTokenLess() }],
  ["more tokens than embeddings", { tensorEdit: (tensors) => tensors.map(withoutLastRow("token_embd.weight")) }],
  ["a token twice", { vocabEdit: (tokens) => tokens.map((token, id) => (id === 5 ? (tokens[4] ?? token) : token)) }],
];

/** Only the lists shrink: the embedding matrix keeps a row per built-in token. */
function oneTokenLess(): Edits {
  const tokens = Array.from({ length: 200 }, (_, id) => String.fromCharCode(0x4e00 + id));
  return { "tokenizer.ggml.tokens": textArray(tokens), "llama.vocab_size": u32(tokens.length) };
}

function withoutLastRow(name: string): (tensor: GgufTensor) => GgufTensor {
  return (tensor) => {
    const [columns = 0, rows = 0] = tensor.dims;
    if (tensor.name !== name) return tensor;
    return { ...tensor, dims: [columns, rows - 1], values: tensor.values.subarray(0, columns * (rows - 1)) };
  };
}

const without = (name: string): Case => [
  `no ${name}`,
  { tensorEdit: (tensors) => tensors.filter((tensor) => tensor.name !== name) },
];

const edited = (title: string, name: string, edit: (tensor: GgufTensor) => GgufTensor): Case => [
  title,
  { tensorEdit: (tensors) => tensors.map((tensor) => (tensor.name === name ? edit(tensor) : tensor)) },
];

const halved =
  (ending: string) =>
  (tensor: GgufTensor): GgufTensor =>
    tensor.name.endsWith(ending) ? { ...tensor, type: "f16" } : tensor;

/** q8_1 is what llama.cpp turns activations into: no matrix may have it. The last tensor, for its size differs from f32's. */
const activationTyped: TinyModelOptions = {
  tensorEdit: (tensors) =>
    tensors.map((tensor, i) => (i === tensors.length - 1 ? { ...tensor, claims: { typeCode: 9 } } : tensor)),
};

const badTensors: readonly Case[] = [
  without("token_embd.weight"),
  without("output_norm.weight"),
  without("blk.0.attn_norm.weight"),
  without("blk.1.ffn_up.weight"),
  [
    "a tensor that belongs to no layer",
    {
      tensorEdit: (tensors) => [
        ...tensors,
        { name: "blk.9.attn_norm.weight", type: "f32", dims: [64], values: new Float32Array(64) },
      ],
    },
  ],
  edited("a matrix with a row too few", "blk.0.attn_k.weight", withoutLastRow("blk.0.attn_k.weight")),
  edited("a matrix lying on its side", "blk.0.ffn_up.weight", (tensor) => ({
    ...tensor,
    dims: tensor.dims.toReversed(),
  })),
  edited("a matrix as a vector", "blk.0.ffn_up.weight", (tensor) => ({ ...tensor, dims: [tensor.values.length] })),
  edited("a matrix of integers", "blk.0.ffn_up.weight", (tensor) => ({ ...tensor, claims: { typeCode: 26 } })),
  edited("an embedding matrix of integers", "token_embd.weight", (tensor) => ({ ...tensor, claims: { typeCode: 26 } })),
  ["a matrix of a type for activations only", activationTyped],
  edited("a half-precision norm", "blk.0.attn_norm.weight", (tensor) => ({ ...tensor, type: "f16" })),
  edited("a quantised norm", "blk.0.attn_norm.weight", (tensor) => ({ ...tensor, type: "q8_0" })),
  edited("a norm of integers", "blk.0.attn_norm.weight", (tensor) => ({ ...tensor, claims: { typeCode: 26 } })),
  ["half-precision biases", { architecture: "qwen2", tensorEdit: (tensors) => tensors.map(halved(".bias")) }],
  [
    "half-precision RoPE factors",
    {
      ropeFreqFactors: new Float32Array(16).fill(1),
      tensorEdit: (tensors) => tensors.map(halved("rope_freqs.weight")),
    },
  ],
  ["RoPE factors for another head size", { ropeFreqFactors: new Float32Array(8).fill(1) }],
];
