/**
 * Writes models with random weights straight to disk, in memory that does not grow with the model: a tensor is made of
 * one short run of encoded blocks over and over, entered at a place that follows from the tensor's name. What a weight is
 * does not matter to speed; that activations stay finite does, so matrices have deviation 1 / sqrt(columns).
 *
 * A block is drawn first and encoded then, so that two files of one shape hold the same model at two quantisations.
 */

import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  bool,
  f32,
  f32Array,
  type GgufMetadata,
  ggufAlignment,
  i32Array,
  padTo,
  text,
  textArray,
  u32,
} from "../test/support/gguf-format.js";
import { encodeGguf } from "../test/support/gguf-writer.js";
import { gaussian, mulberry32, namedSeed } from "../test/support/random.js";
import { encodedBytes, encodeValues, type TensorType, tensorTypes } from "../test/support/tensor-encoding.js";
import { tokenTypes } from "../test/support/tokenizers.js";
import type { ModelShape, ModelSpec } from "./shapes.js";

export interface ModelFile {
  readonly path: string;
  readonly sizeBytes: number;
}

interface Tensor {
  readonly name: string;
  readonly type: TensorType;
  /** The contiguous dimension first. */
  readonly dims: readonly number[];
}

const seed = 20250808;
/** The taps of a short convolution, and which layers of a hybrid have one. */
const convolutionTaps = 3;
const hasConvolution = (layer: number) => layer % 2 === 0;
/** Values of a run: a prime number of blocks, so that the rows of a matrix differ. */
const runValues = 16_381 * 32;

/** The file of a model, written on first use, which takes a while. `folder` keeps them from one run to the next. */
export async function ensureModel(
  spec: ModelSpec,
  folder: string,
  tell: (message: string) => void,
): Promise<ModelFile> {
  // The name tells the shape apart, so that a changed shape is never taken for the old one.
  const key = namedSeed(seed, JSON.stringify(spec.shape)).toString(16).padStart(8, "0");
  const path = join(folder, `${spec.shape.name}-${spec.weightType}-${key}.gguf`);
  if (!existsSync(path)) {
    tell(`writing ${path}`);
    await mkdir(folder, { recursive: true });
    const unfinished = `${path}.part`;
    const file = await open(unfinished, "w");
    try {
      await writeModel(file, spec);
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  }
  return { path, sizeBytes: (await stat(path)).size };
}

async function writeModel(file: FileHandle, { shape, weightType }: ModelSpec): Promise<void> {
  const tensors = tensorsOf(shape, weightType);
  await file.writeFile(encodeHeader(modelMetadata(shape, weightType), tensors));
  const runs = new Map<string, Uint8Array>();
  for (const tensor of tensors) {
    const columns = tensor.dims[0] ?? 1;
    const key = `${tensor.type} ${columns}`;
    const run = runs.get(key) ?? encodeRun(tensor, columns);
    runs.set(key, run);
    await writeTensor(file, tensor, run);
  }
}

/** Everything before the tensors' data: the writer is told of tensors whose data follows later. */
function encodeHeader(metadata: GgufMetadata, tensors: readonly Tensor[]): Uint8Array {
  let offset = 0;
  const infos = tensors.map((tensor) => {
    const claims = { dims: tensor.dims.map(BigInt), offset: BigInt(offset) };
    offset += padTo(sizeBytes(tensor), ggufAlignment);
    return { name: tensor.name, type: tensor.type, dims: [0], values: new Float32Array(0), claims };
  });
  return encodeGguf({ metadata, tensors: infos }).bytes;
}

function sizeBytes({ type, dims }: Tensor): number {
  return encodedBytes(
    type,
    dims.reduce((product, size) => product * size, 1),
  );
}

/** Vectors are the norms' and all ones; matrices are random. */
function encodeRun({ type, dims }: Tensor, columns: number): Uint8Array {
  if (dims.length === 1) return encodeValues(type, new Float32Array(columns).fill(1));
  const next = gaussian(mulberry32(namedSeed(seed, `run ${columns}`)));
  const deviation = 1 / Math.sqrt(columns);
  return encodeValues(
    type,
    Float32Array.from({ length: runValues }, () => next() * deviation),
  );
}

async function writeTensor(file: FileHandle, tensor: Tensor, run: Uint8Array): Promise<void> {
  const total = sizeBytes(tensor);
  const { blockBytes } = tensorTypes[tensor.type];
  const nBlocks = run.length / blockBytes;
  let from = tensor.dims.length === 1 ? 0 : (namedSeed(seed, tensor.name) % nBlocks) * blockBytes;
  for (let left = total; left > 0; ) {
    const piece = run.subarray(from, Math.min(run.length, from + left));
    await file.writeFile(piece);
    left -= piece.length;
    from = 0;
  }
  await file.writeFile(new Uint8Array(padTo(total, ggufAlignment) - total));
}

function tensorsOf(shape: ModelShape, type: TensorType): Tensor[] {
  const { nEmbd, nFf, nLayers, nVocab } = shape;
  const hybrid = shape.architecture === "lfm2";
  const nQuery = shape.nHeads * shape.headSize;
  const nKv = shape.nKvHeads * shape.headSize;
  const layers = Array.from({ length: nLayers }, (_, layer): Tensor[] => {
    const vector = (name: string): Tensor => ({ name: `blk.${layer}.${name}.weight`, type: "f32", dims: [nEmbd] });
    const matrix = (name: string, columns: number, rows: number): Tensor => ({
      name: `blk.${layer}.${name}.weight`,
      type,
      dims: [columns, rows],
    });
    const attention = [
      matrix("attn_q", nEmbd, nQuery),
      matrix("attn_k", nEmbd, nKv),
      matrix("attn_v", nEmbd, nKv),
      matrix("attn_output", nQuery, nEmbd),
    ];
    const headNorms = ["attn_q_norm", "attn_k_norm"].map((name) => ({ ...vector(name), dims: [shape.headSize] }));
    const convolution: Tensor[] = [
      { ...vector("shortconv.conv"), dims: [convolutionTaps, nEmbd] },
      matrix("shortconv.in_proj", nEmbd, 3 * nEmbd),
      matrix("shortconv.out_proj", nEmbd, nEmbd),
    ];
    const mixer = !hybrid ? attention : hasConvolution(layer) ? convolution : [...attention, ...headNorms];
    return [
      vector("attn_norm"),
      ...mixer,
      vector("ffn_norm"),
      matrix("ffn_gate", nEmbd, nFf),
      matrix("ffn_up", nEmbd, nFf),
      matrix("ffn_down", nFf, nEmbd),
    ];
  });
  return [
    { name: "token_embd.weight", type, dims: [nEmbd, nVocab] },
    { name: hybrid ? "token_embd_norm.weight" : "output_norm.weight", type: "f32", dims: [nEmbd] },
    ...layers.flat(),
  ];
}

function modelMetadata(shape: ModelShape, weightType: TensorType): GgufMetadata {
  const architecture = shape.architecture ?? "llama";
  const hybrid = architecture === "lfm2";
  const kvHeads = Array.from({ length: shape.nLayers }, (_, layer) => (hasConvolution(layer) ? 0 : shape.nKvHeads));
  const own: GgufMetadata = [
    ["context_length", u32(shape.contextLength)],
    ["embedding_length", u32(shape.nEmbd)],
    ["block_count", u32(shape.nLayers)],
    ["feed_forward_length", u32(shape.nFf)],
    ["attention.head_count", u32(shape.nHeads)],
    ["attention.head_count_kv", hybrid ? i32Array(kvHeads) : u32(shape.nKvHeads)],
    ["attention.key_length", u32(shape.headSize)],
    ["attention.value_length", u32(shape.headSize)],
    ["attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["rope.dimension_count", u32(shape.headSize)],
    ["rope.freq_base", f32(500_000)],
    ["vocab_size", u32(shape.nVocab)],
    ...(hybrid ? ([["shortconv.l_cache", u32(convolutionTaps)]] as const) : []),
  ];
  return [
    ["general.architecture", text(architecture)],
    ["general.name", text(`overfill benchmark ${shape.name}`)],
    ["general.file_type", u32(tensorTypes[weightType].fileType)],
    ...own.map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...tokenizerMetadata(shape.nVocab),
  ];
}

/** A SentencePiece vocabulary: three control tokens, the 256 bytes, then made-up words. */
function tokenizerMetadata(nVocab: number): GgufMetadata {
  const special = [
    { text: "<unk>", type: tokenTypes.unknown },
    { text: "<s>", type: tokenTypes.control },
    { text: "</s>", type: tokenTypes.control },
  ];
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    type: tokenTypes.byte,
  }));
  const words = Array.from({ length: nVocab - special.length - bytes.length }, (_, rank) => ({
    text: `▁${rank.toString(36)}`,
    type: tokenTypes.normal,
  }));
  const tokens = [...special, ...bytes, ...words];
  return [
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.pre", text("default")],
    ["tokenizer.ggml.tokens", textArray(tokens.map((token) => token.text))],
    ["tokenizer.ggml.scores", f32Array(tokens.map((_, rank) => -rank))],
    ["tokenizer.ggml.token_type", i32Array(tokens.map((token) => token.type))],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
  ];
}
