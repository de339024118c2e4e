/** A one-layer Mamba: it writes text, but keeps a state in place of a KV cache. Its weights mean nothing. */

import { f32, type GgufMetadata, text, textArray, u32 } from "./gguf-format.js";
import { type GgufTensor, writeGguf } from "./gguf-writer.js";
import { builtInTokenizer } from "./tokenizers.js";

const nEmbd = 64;
const nInner = 2 * nEmbd;
const nStep = 4;
const nConv = 4;

/** Bytes of the state of one session: of the convolution and of the channels, in f32. */
export const stateBytes = (nState: number): number => 4 * nInner * (nConv - 1 + nState);

/** @param nState values of a channel's state */
export async function writeRecurrentModel(path: string, { nState = 16 } = {}): Promise<void> {
  const { metadata: tokenizer, tokens } = builtInTokenizer("bpe");
  const metadata: GgufMetadata = [
    ["general.architecture", text("mamba")],
    ["mamba.context_length", u32(64)],
    ["mamba.embedding_length", u32(nEmbd)],
    ["mamba.block_count", u32(1)],
    ["mamba.feed_forward_length", u32(0)],
    ["mamba.attention.head_count", u32(0)],
    ["mamba.attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["mamba.ssm.conv_kernel", u32(nConv)],
    ["mamba.ssm.inner_size", u32(nInner)],
    ["mamba.ssm.state_size", u32(nState)],
    ["mamba.ssm.time_step_rank", u32(nStep)],
    ...tokenizer,
    ["tokenizer.ggml.tokens", textArray(tokens)],
  ];
  const tensors = [
    constant("token_embd.weight", nEmbd, tokens.length),
    constant("output_norm.weight", nEmbd),
    constant("blk.0.attn_norm.weight", nEmbd),
    constant("blk.0.ssm_in.weight", nEmbd, 2 * nInner),
    constant("blk.0.ssm_conv1d.weight", nConv, nInner),
    constant("blk.0.ssm_conv1d.bias", nInner),
    constant("blk.0.ssm_x.weight", nInner, nStep + 2 * nState),
    constant("blk.0.ssm_dt.weight", nStep, nInner),
    constant("blk.0.ssm_dt.bias", nInner),
    constant("blk.0.ssm_a", nState, nInner),
    constant("blk.0.ssm_d", nInner),
    constant("blk.0.ssm_out.weight", nInner, nEmbd),
  ];
  await writeGguf(path, { metadata, tensors });
}

function constant(name: string, ...dims: number[]): GgufTensor {
  const nValues = dims.reduce((product, size) => product * size, 1);
  return { name, type: "f32", dims, values: new Float32Array(nValues).fill(0.1) };
}
