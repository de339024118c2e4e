/**
 * What sets llama.cpp's dense decoder architectures apart, as far as a tiny model's file goes: one row each, data only, as
 * the loaders of `src/models/*.cpp` ask for it. What the graphs compute of it is told again, from the other side, in
 * reference-definitions.ts.
 */

import { f32, type GgufValue, u32 } from "./gguf-format.js";

export interface Features {
  /**
   * Where RMSNorms are: around a block, on its input and its output, or after it, on its output only.
   * @default on its input only
   */
  readonly norms?: "around" | "after";
  /** The FFN's norm goes by the name that other architectures have for the norm after the attention. */
  readonly ffnNormIsPostAttention?: true;
  /** Norms on queries and keys, with a weight for one head or for all of them together. */
  readonly qkNorm?: "head" | "all-heads";
  readonly qkvBias?: true;
  /** On the attention's output projection. */
  readonly outputBias?: true;
  readonly ffnBias?: true;
  readonly fusedQkv?: true;
  /** `ffn_up` holds gate and up projection, the gate first. */
  readonly fusedGateUp?: true;
  /** Whether some layers see a window only; "optional" ones do if the options name a window. */
  readonly slidingWindow?: "always" | "optional";
  /** The width must be nHeads * headSize. */
  readonly square?: true;
  /** Whether the output matrix is the embedding matrix, where llama.cpp knows one way only. */
  readonly tied?: "always" | "never";
  /** Half of a head's values are rotated. */
  readonly partialRotary?: true;
  /** Divisors of the rotation frequencies: one set, or one for short and one for long contexts. */
  readonly ropeFactors?: "one" | "short-and-long";
  /** What llama.cpp multiplies embeddings by. */
  readonly embeddingScale?: (nEmbd: number) => number;
  /** What llama.cpp divides logits by. */
  readonly logitDivisor?: (nEmbd: number) => number;
  /** Layers, where fewer would be another kind of model to llama.cpp or would lack one kind of layer. @default 2 */
  readonly nLayers?: number;
  /**
   * What layers have in place of attention: all of them, or every other one from the first on. Only few architectures'
   * memory is recurrent here, one of each kind.
   */
  readonly recurrent?: "state-space" | "short-convolution";
  /** Keys below the architecture's name. */
  readonly metadata?: Readonly<Record<string, GgufValue>>;
}

const gemma = { embeddingScale: (nEmbd: number) => Math.sqrt(nEmbd) } as const satisfies Features;

const table = {
  llama: { ropeFactors: "one" },
  mistral3: { ropeFactors: "one" },
  qwen2: { qkvBias: true, square: true },
  qwen3: { qkNorm: "head" },
  gemma: { ...gemma, tied: "always" },
  gemma2: { ...gemma, norms: "around", slidingWindow: "always", tied: "always" },
  gemma3: { ...gemma, norms: "around", slidingWindow: "always", qkNorm: "head" },
  phi3: { square: true, fusedQkv: true, fusedGateUp: true, ropeFactors: "short-and-long" },
  granite: {
    qkvBias: true,
    outputBias: true,
    ffnBias: true,
    ropeFactors: "one",
    embeddingScale: () => 4,
    logitDivisor: () => 4,
    metadata: {
      embedding_scale: f32(4),
      residual_scale: f32(0.5),
      logit_scale: f32(4),
      "attention.scale": f32(0.25),
    },
  },
  // Without keys for its three scales, as older files are: llama.cpp then goes by the width and the number of layers.
  minicpm: { ropeFactors: "one", embeddingScale: () => 12, logitDivisor: (nEmbd) => 256 / nEmbd },
  // Every fourth layer has no RoPE.
  smollm3: { nLayers: 4 },
  olmo2: { norms: "after", qkNorm: "all-heads", square: true, slidingWindow: "optional", tied: "never" },
  internlm2: { square: true, tied: "never" },
  exaone: { ropeFactors: "one" },
  exaone4: { norms: "after", qkNorm: "head", square: true, slidingWindow: "optional", ropeFactors: "one" },
  seed_oss: { qkvBias: true, ffnNormIsPostAttention: true },
  "hunyuan-dense": { qkNorm: "head" },
  ernie4_5: {},
  glm4: { norms: "around", qkvBias: true, fusedGateUp: true, partialRotary: true },
  xverse: { square: true, tied: "never" },
  maincoder: { qkNorm: "head" },
  // The 7B kind, which llama.cpp knows by its layers; any other number of them has no RoPE.
  baichuan: { square: true, tied: "never", nLayers: 32 },
} as const satisfies Record<string, Features>;

/** Models with a recurrent state. What takes dense decoders apart does not know them, so they are no part of the list. */
const recurrentTable = {
  mamba: {
    recurrent: "state-space",
    metadata: {
      "ssm.conv_kernel": u32(4),
      "ssm.inner_size": u32(128),
      "ssm.time_step_rank": u32(8),
    },
  },
  lfm2: {
    recurrent: "short-convolution",
    qkNorm: "head",
    square: true,
    nLayers: 4,
    metadata: { "shortconv.l_cache": u32(3) },
  },
} as const satisfies Record<string, Features>;

export type Architecture = keyof typeof table | keyof typeof recurrentTable;

/** The dense decoders. */
export const architectures = Object.keys(table) as (keyof typeof table)[];

export const featuresOf = (architecture: Architecture): Features => ({ ...table, ...recurrentTable })[architecture];

/** Whether a layer has a recurrent state in place of a KV cache. */
export const isRecurrent = ({ recurrent }: Features, layer: number): boolean =>
  recurrent === "state-space" || (recurrent === "short-convolution" && layer % 2 === 0);
