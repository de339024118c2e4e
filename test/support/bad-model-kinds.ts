/** Sound GGUF files of kinds that cannot be one of a pair: no weights, no text generation, or not known to llama.cpp. */

import type { BadModelCase } from "./bad-model-case.js";
import { bool, f32, type GgufMetadata, type GgufValue, text, textArray, u16, u32 } from "./gguf-format.js";
import { encodeGguf, type GgufFile, type GgufTensor } from "./gguf-writer.js";
import { tinyModel } from "./tiny-model.js";
import { builtInTokenizer } from "./tokenizers.js";

export async function unsupportedCases(): Promise<BadModelCase[]> {
  const { file } = await tinyModel();
  const cases: [title: string, file: GgufFile][] = [
    ["an unknown architecture", (await tinyModel({ metadata: { "general.architecture": text("overfilled") } })).file],
    ["a vocabulary only", (await tinyModel({ tensorEdit: () => [] })).file],
    ["an encoder's layers", encoder()],
    ["a decoder's layers, made to embed text", renamed(file, "llama-embed")],
    ["a diffusion model's decoding", renamed(file, "llada")],
    ["attention that looks ahead", (await tinyModel({ metadata: { "llama.attention.causal": bool(false) } })).file],
    ["no vocabulary of its own", (await tinyModel({ metadata: { "tokenizer.ggml.model": text("no_vocab") } })).file],
    ["an image encoder", { metadata: [["general.architecture", text("clip")]], tensors: [] }],
    ["an adapter", adapter()],
    ["one part of a split model", (await tinyModel({ metadata: splitMetadata })).file],
  ];
  return cases.map(([title, file]) => ({ title, bytes: encodeGguf(file).bytes }));
}

const splitMetadata = { "split.no": u16(0), "split.count": u16(2), "split.tensors.count": u16(40) };

/** The same model under another architecture's name. */
function renamed(file: GgufFile, architecture: string): GgufFile {
  const metadata = file.metadata.map(([key, value]): GgufMetadata[number] => {
    if (key === "general.architecture") return [key, text(architecture)];
    return [key.replace(/^llama\./, `${architecture}.`), value];
  });
  return { ...file, metadata };
}

/** A LoRA adapter: it has its base model's architecture, but none of the sizes. */
function adapter(): GgufFile {
  const factor = (name: string): GgufTensor => ({ name, type: "f32", dims: [64, 4], values: new Float32Array(256) });
  return {
    metadata: [
      ["general.architecture", text("llama")],
      ["general.type", text("adapter")],
      ["adapter.type", text("lora")],
      ["adapter.lora.alpha", f32(16)],
    ],
    tensors: [factor("blk.0.attn_q.weight.lora_a"), factor("blk.0.attn_q.weight.lora_b")],
  };
}

/** A tensor of equal values: these models are loaded, but never asked for anything. */
function constant(name: string, ...dims: number[]): GgufTensor {
  const nValues = dims.reduce((product, size) => product * size, 1);
  return { name, type: "f32", dims, values: new Float32Array(nValues).fill(0.1) };
}

const { metadata: tokenizerMetadata, tokens } = builtInTokenizer("bpe");
const nEmbd = 64;
const contextLength = 64;

function metadataOf(architecture: string, own: Record<string, GgufValue>): GgufMetadata {
  const sizes = { context_length: u32(contextLength), embedding_length: u32(nEmbd), block_count: u32(1) };
  return [
    ["general.architecture", text(architecture)],
    ...Object.entries({ ...sizes, ...own }).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...tokenizerMetadata,
    ["tokenizer.ggml.tokens", textArray(tokens)],
  ];
}

/** A one-layer BERT that llama.cpp loads: it has no causal attention and no logits. */
function encoder(): GgufFile {
  const nFf = 128;
  const norm = (name: string) => [constant(`${name}.weight`, nEmbd), constant(`${name}.bias`, nEmbd)];
  const metadata = metadataOf("bert", {
    feed_forward_length: u32(nFf),
    "attention.head_count": u32(2),
    "attention.layer_norm_epsilon": f32(1e-5),
    "attention.causal": bool(false),
    pooling_type: u32(1),
  });
  const tensors = [
    constant("token_embd.weight", nEmbd, tokens.length),
    constant("token_types.weight", nEmbd, 2),
    constant("position_embd.weight", nEmbd, contextLength),
    ...norm("token_embd_norm"),
    constant("blk.0.attn_q.weight", nEmbd, nEmbd),
    constant("blk.0.attn_k.weight", nEmbd, nEmbd),
    constant("blk.0.attn_v.weight", nEmbd, nEmbd),
    constant("blk.0.attn_output.weight", nEmbd, nEmbd),
    ...norm("blk.0.attn_output_norm"),
    constant("blk.0.ffn_up.weight", nEmbd, nFf),
    constant("blk.0.ffn_down.weight", nFf, nEmbd),
    ...norm("blk.0.layer_output_norm"),
  ];
  return { metadata: [...metadata, ["tokenizer.ggml.token_type_count", u32(2)]], tensors };
}
