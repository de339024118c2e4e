/**
 * What the models compute, architecture by architecture: what sets them apart beyond the names of their tensors, each
 * written down from the model's definition. The hyper-parameters are read from a file by reference-model.ts.
 */

/** Reads the numbers of a file's metadata below the architecture's name. */
export interface Hyperparameters {
  readonly number: (key: string, fallback?: number) => number;
  /** A key that is a number, or a list of one a layer. */
  readonly list: (key: string) => readonly number[] | number | undefined;
  readonly nLayers: number;
  readonly nEmbd: number;
}

/** What a layer's attention sees, and how its queries and keys are rotated. */
export interface AttentionKind {
  /** Tokens that are seen, the own one included; undefined: all. */
  readonly window: number | undefined;
  readonly rotates: boolean;
  /** In place of the model's own. */
  readonly ropeBase?: number;
  readonly ropeScale?: number;
}

export interface Definition {
  readonly ropePairs: "neighbours" | "halves";
  /** RMSNorms on a block's input, on its input and its output, or on its output. */
  readonly norms: "before" | "around" | "after";
  /** The name of the norm on the FFN's input. */
  readonly ffnNorm: string;
  /** RMSNorms on queries and keys: a head at a time before RoPE or after it, or all heads together before it. */
  readonly qkNorm: "none" | "head" | "head-after-rope" | "all-heads";
  readonly activation: "silu" | "gelu";
  /** `ffn_up` has the gate's rows, then those of the up projection. */
  readonly fusedGateUp: boolean;
  readonly embeddingScale: (hyper: Hyperparameters) => number;
  /** Factor on what a block adds to the residual stream. */
  readonly residualScale: (hyper: Hyperparameters) => number;
  readonly logitDivisor: (hyper: Hyperparameters) => number;
  /** Factor on queries times keys; undefined: 1 / sqrt(head size). */
  readonly attentionScale: (hyper: Hyperparameters) => number | undefined;
  /** Soft limits of attention scores and logits; 0: none. */
  readonly attentionCap: (hyper: Hyperparameters) => number;
  readonly logitCap: (hyper: Hyperparameters) => number;
  readonly attention: (layer: number, hyper: Hyperparameters) => AttentionKind;
}

const everything: AttentionKind = { window: undefined, rotates: true };

/** Llama 2: everything else is told by how it differs. */
const plain: Definition = {
  ropePairs: "neighbours",
  norms: "before",
  ffnNorm: "ffn_norm",
  qkNorm: "none",
  activation: "silu",
  fusedGateUp: false,
  embeddingScale: () => 1,
  residualScale: () => 1,
  logitDivisor: () => 1,
  attentionScale: () => undefined,
  attentionCap: () => 0,
  logitCap: () => 0,
  attention: () => everything,
};

const halves = { ...plain, ropePairs: "halves" } as const satisfies Definition;

/** Layers see a window, but for every `pattern`-th one (or as a list says, a truth value a layer). */
function seesWindow(layer: number, hyper: Hyperparameters, usualPattern: number): boolean {
  const pattern = hyper.list("attention.sliding_window_pattern") ?? usualPattern;
  if (typeof pattern !== "number") return pattern[layer] === 1;
  return pattern === 0 || layer % pattern < pattern - 1;
}

const windowOf = (hyper: Hyperparameters, usual = 0) => hyper.number("attention.sliding_window", usual);

const gemma: Definition = {
  ...halves,
  activation: "gelu",
  embeddingScale: ({ nEmbd }) => Math.sqrt(nEmbd),
};

const granite: Definition = {
  ...plain,
  embeddingScale: (hyper) => hyper.number("embedding_scale", 1),
  residualScale: (hyper) => hyper.number("residual_scale", 1),
  logitDivisor: (hyper) => hyper.number("logit_scale"),
  attentionScale: (hyper) => hyper.number("attention.scale", 0) || undefined,
};

const definitions: Readonly<Record<string, Definition>> = {
  llama: plain,
  mistral3: plain,
  internlm2: plain,
  xverse: plain,
  ernie4_5: plain,
  qwen2: halves,
  exaone: halves,
  phi3: { ...halves, fusedGateUp: true },
  seed_oss: { ...halves, ffnNorm: "post_attention_norm" },
  qwen3: { ...halves, qkNorm: "head" },
  "hunyuan-dense": { ...halves, qkNorm: "head-after-rope" },
  maincoder: { ...plain, qkNorm: "head-after-rope" },
  glm4: { ...plain, norms: "around", fusedGateUp: true },
  gemma,
  gemma2: {
    ...gemma,
    norms: "around",
    attentionCap: (hyper) => hyper.number("attn_logit_softcapping", 50),
    logitCap: (hyper) => hyper.number("final_logit_softcapping", 30),
    attention: (layer, hyper) =>
      seesWindow(layer, hyper, 2) ? { window: windowOf(hyper, 4096), rotates: true } : everything,
  },
  gemma3: {
    ...gemma,
    norms: "around",
    qkNorm: "head",
    logitCap: (hyper) => hyper.number("final_logit_softcapping", 0),
    // Layers with a window have a RoPE base of their own, and no scaling.
    attention: (layer, hyper) =>
      windowOf(hyper) > 0 && seesWindow(layer, hyper, 6)
        ? {
            window: windowOf(hyper),
            rotates: true,
            ropeBase: hyper.number("rope.freq_base_swa", 10_000),
            ropeScale: 1,
          }
        : everything,
  },
  granite,
  minicpm: {
    ...granite,
    embeddingScale: (hyper) => hyper.number("embedding_scale", 12),
    residualScale: (hyper) => hyper.number("residual_scale", 1.4 / Math.sqrt(hyper.nLayers)),
    logitDivisor: (hyper) => hyper.number("logit_scale", 256 / hyper.nEmbd),
    attentionScale: () => undefined,
  },
  smollm3: { ...plain, attention: (layer) => ({ window: undefined, rotates: (layer + 1) % 4 !== 0 }) },
  olmo2: {
    ...halves,
    norms: "after",
    qkNorm: "all-heads",
    attention: (layer, hyper) =>
      windowOf(hyper) > 0 && seesWindow(layer, hyper, 4)
        ? { window: windowOf(hyper), rotates: true, ropeScale: 1 }
        : everything,
  },
  // The 32B kind, known by its layers, sees a window in most of them and rotates in no others.
  exaone4: {
    ...halves,
    norms: "after",
    qkNorm: "head",
    attention: (layer, hyper) => {
      if (hyper.nLayers !== 64) return everything;
      return seesWindow(layer, hyper, 4)
        ? { window: windowOf(hyper, 4096), rotates: true }
        : { window: undefined, rotates: false };
    },
  },
  // The 13B kind has ALiBi, which is not told here; the 7B kind is known by its layers.
  baichuan: { ...plain, attention: (_, { nLayers }) => ({ window: undefined, rotates: nLayers === 32 }) },
};

/** Throws an Error for an architecture that is not told here. */
export function definitionOf(architecture: string): Definition {
  const definition = definitions[architecture];
  if (!definition) throw new Error(`no definition of ${architecture}`);
  return definition;
}
