/**
 * A slow decoder: the forward pass over one sequence from its beginning, all positions at once, in plain loops over
 * float64. It is written from the definitions of the architectures and shares nothing with llama.cpp, which it is compared
 * with (test/engine/architectures.test.ts). Everything that importance is measured on is kept.
 */

import type { GgufContents } from "./gguf-reader.js";
import {
  addScaled,
  gelu,
  project,
  type Rotation,
  rmsNorm,
  rotate,
  silu,
  softCap,
  softMax,
  type Vector,
} from "./reference-arithmetic.js";
import { type ReferenceModel, type ReferenceOptions, referenceModel } from "./reference-model.js";

/** What one layer computes, by token. */
export interface LayerActivations {
  /** The residual stream as it enters and as it leaves, [nEmbd]. */
  readonly input: readonly Vector[];
  readonly output: readonly Vector[];
  /** The outputs of the norms on the blocks' inputs or, where there are none, of those on their outputs, [nEmbd]. */
  readonly attentionNorm: readonly Vector[];
  readonly ffnNorm: readonly Vector[];
  /** The heads' outputs, which the output projection reads, [headSizeV x nHeads]. */
  readonly heads: readonly Vector[];
  /** What the down projection reads, [nFf]. */
  readonly ffn: readonly Vector[];
}

export interface ForwardPass {
  /** By position, [nVocab]. */
  readonly logits: readonly Vector[];
  readonly layers: readonly LayerActivations[];
}

/** Throws an Error for a model or a token that the reference does not cover. */
export function referenceForward(
  contents: GgufContents,
  tokens: readonly number[],
  options: ReferenceOptions = {},
): ForwardPass {
  const model = referenceModel(contents, options);
  const { shape, definition, hyper } = model;
  let residual: readonly Vector[] = embed(model, tokens);
  const layers: LayerActivations[] = [];
  for (let layer = 0; layer < shape.nLayers; layer++) {
    const activations = runLayer(model, layer, residual);
    layers.push(activations);
    residual = activations.output;
  }
  const output = model.matrix(model.has("output.weight") ? "output.weight" : "token_embd.weight");
  const divisor = definition.logitDivisor(hyper);
  const cap = definition.logitCap(hyper);
  const logits = residual.map((x) =>
    project(output, rmsNorm(x, model.vector("output_norm.weight"), shape.eps), model.bias("output.bias")).map((logit) =>
      softCap(logit / divisor, cap),
    ),
  );
  return { logits, layers };
}

function embed({ matrix, definition, hyper }: ReferenceModel, tokens: readonly number[]): Vector[] {
  const { columns, values } = matrix("token_embd.weight");
  const scale = definition.embeddingScale(hyper);
  return tokens.map((token) => {
    if (!(token >= 0 && token < values.length / columns)) throw new RangeError(`no token ${token}`);
    return Float64Array.from(values.subarray(token * columns, (token + 1) * columns), (value) => value * scale);
  });
}

function runLayer(model: ReferenceModel, layer: number, input: readonly Vector[]): LayerActivations {
  const { definition, hyper, shape } = model;
  const { norms } = definition;
  const norm = (rows: readonly Vector[], name: string) =>
    rows.map((x) => rmsNorm(x, model.vector(`blk.${layer}.${name}.weight`), shape.eps));
  const scale = definition.residualScale(hyper);
  const add = (rows: readonly Vector[], more: readonly Vector[]) =>
    rows.map((x, i) => addScaled(x, more[i] as Vector, scale));

  const attentionInput = norms === "after" ? input : norm(input, "attn_norm");
  const heads = attend(model, layer, attentionInput);
  const output = model.matrix(`blk.${layer}.attn_output.weight`);
  const attended = heads.map((x) => project(output, x, model.bias(`blk.${layer}.attn_output.bias`)));
  const attentionOutput = norms === "before" ? attended : norm(attended, "post_attention_norm");
  const between = add(input, attentionOutput);

  const ffnInput = norms === "after" ? between : norm(between, definition.ffnNorm);
  const ffn = ffnInput.map((x) => gatedUnits(model, layer, x));
  const down = model.matrix(`blk.${layer}.ffn_down.weight`);
  const ffnProjected = ffn.map((x) => project(down, x, model.bias(`blk.${layer}.ffn_down.bias`)));
  const ffnOutput = norms === "before" ? ffnProjected : norm(ffnProjected, "post_ffw_norm");
  return {
    input,
    output: add(between, ffnOutput),
    attentionNorm: norms === "after" ? attentionOutput : attentionInput,
    ffnNorm: norms === "after" ? ffnOutput : ffnInput,
    heads,
    ffn,
  };
}

/** The heads' outputs, before the output projection. */
function attend(model: ReferenceModel, layer: number, input: readonly Vector[]): Vector[] {
  const { shape, definition, hyper } = model;
  const { nHeads, nKvHeads, headSizeK, headSizeV } = shape;
  const { window, rotates, ropeBase, ropeScale } = definition.attention(layer, hyper);
  const rotation: Rotation = {
    pairs: definition.ropePairs,
    size: model.ropeSize,
    base: ropeBase ?? model.ropeBase,
    scale: ropeScale ?? model.ropeScale,
    factors: model.ropeFactors,
    magnitude: model.ropeMagnitude,
  };
  const normed = (x: Vector, name: string) => rmsNorm(x, model.vector(`blk.${layer}.${name}.weight`), shape.eps);
  const placed = (x: Vector, position: number, name: string) => {
    const early = definition.qkNorm === "head" || definition.qkNorm === "all-heads" ? normed(x, name) : x;
    const turned = rotates ? rotate(early, headSizeK, position, rotation) : early;
    return definition.qkNorm === "head-after-rope" ? normed(turned, name) : turned;
  };
  const rows = input.map((x, position) => {
    const { q, k, v } = queriesKeysValues(model, layer, x);
    return { q: placed(q, position, "attn_q_norm"), k: placed(k, position, "attn_k_norm"), v };
  });

  const scale = definition.attentionScale(hyper) ?? 1 / Math.sqrt(headSizeK);
  const cap = definition.attentionCap(hyper);
  return rows.map(({ q }, position) => {
    const first = window === undefined ? 0 : Math.max(0, position - window + 1);
    const seen = rows.slice(first, position + 1);
    const output = new Float64Array(nHeads * headSizeV);
    for (let head = 0; head < nHeads; head++) {
      const kvHead = Math.floor(head / (nHeads / nKvHeads));
      const scores = seen.map(({ k }) => {
        let score = 0;
        for (let i = 0; i < headSizeK; i++)
          score += (q[head * headSizeK + i] as number) * (k[kvHead * headSizeK + i] as number);
        return softCap(score * scale, cap);
      });
      for (const [token, weight] of softMax(scores).entries()) {
        const v = seen[token]?.v as Vector;
        for (let i = 0; i < headSizeV; i++)
          output[head * headSizeV + i] =
            (output[head * headSizeV + i] as number) + weight * (v[kvHead * headSizeV + i] as number);
      }
    }
    return output;
  });
}

function queriesKeysValues(model: ReferenceModel, layer: number, x: Vector) {
  const { nHeads, nKvHeads, headSizeK, headSizeV } = model.shape;
  const part = (name: string) =>
    project(model.matrix(`blk.${layer}.${name}.weight`), x, model.bias(`blk.${layer}.${name}.bias`));
  if (!model.has(`blk.${layer}.attn_qkv.weight`)) return { q: part("attn_q"), k: part("attn_k"), v: part("attn_v") };
  const all = part("attn_qkv");
  const nQuery = nHeads * headSizeK;
  const nKey = nKvHeads * headSizeK;
  const nValue = nKvHeads * headSizeV;
  if (all.length !== nQuery + nKey + nValue) throw new Error("attn_qkv has other sizes than the heads");
  return { q: all.slice(0, nQuery), k: all.slice(nQuery, nQuery + nKey), v: all.slice(nQuery + nKey) };
}

/** What the down projection reads: activation(gate) . up. */
function gatedUnits({ matrix, bias, definition }: ReferenceModel, layer: number, x: Vector): Vector {
  const part = (name: string) => project(matrix(`blk.${layer}.${name}.weight`), x, bias(`blk.${layer}.${name}.bias`));
  const activate = definition.activation === "silu" ? silu : gelu;
  const up = part("ffn_up");
  if (!definition.fusedGateUp) return part("ffn_gate").map((gate, i) => activate(gate) * (up[i] as number));
  const nFf = up.length / 2;
  return up.slice(0, nFf).map((gate, i) => activate(gate) * (up[nFf + i] as number));
}
