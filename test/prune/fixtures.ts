/** What the tests of pruning have in common: a model to prune, its text, and what a slice of it must hold. */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import {
  type Importance,
  inspect,
  type KeptParts,
  type PruneOptions,
  type PruneResult,
  prune,
} from "../../lib/index.js";
import { answerAlone, openPair, quiet, someTokens, traced } from "../engine/fixtures.js";
import { type GgufContents, tensorValues } from "../support/gguf-reader.js";
import type { TinyModelOptions } from "../support/tiny-model.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { writtenText } from "../support/written-text.js";

/** Wide enough that a width can go by multiples of 32, and with a query head to spare in each group. */
export const fullShape = {
  ...{ seed: 1, nLayers: 4, nEmbd: 128, nFf: 256, nHeads: 8, nKvHeads: 2, headSize: 32, name: "full" },
} as const satisfies TinyModelOptions;

/** Values are kept as they are, so that a slice can be compared bit by bit. */
export const exact = { ...quiet, window: 64, multiple: 32, quantize: "f32" } as const;

/** The full model and a text that it has written, in a folder. */
export async function writeFull(folder: string): Promise<{ readonly model: string; readonly text: string }> {
  const { path: model } = await writeTinyModel(join(folder, "full.gguf"), fullShape);
  const text = join(folder, "text.txt");
  writeFileSync(text, await writtenText(model, { answers: 12 }));
  return { model, text };
}

export const prompt = someTokens(60);

export const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Prunes and gives what was kept with the rest. */
export const pruneExactly = (
  options: Omit<PruneOptions, keyof typeof exact> & Partial<PruneOptions>,
): Promise<PruneResult> => prune({ ...exact, ...options });

const { headSize } = fullShape;

/** The rows or columns of whole heads. */
const headRows = (heads: readonly number[]): number[] =>
  heads.flatMap((head) => Array.from({ length: headSize }, (_, i) => head * headSize + i));

/** Which of the parent's columns and rows a tensor of a Llama keeps; an axis that is absent is kept whole. */
function keptAxes(
  part: string,
  kept: KeptParts,
  layer: number,
): { columns?: readonly number[]; rows?: readonly number[] } {
  const { hidden } = kept;
  const ffn = kept.feedForward[layer] ?? [];
  const heads = headRows(kept.heads[layer] ?? []);
  const kvHeads = headRows(kept.kvHeads[layer] ?? []);
  switch (part) {
    case "token_embd.weight":
    case "output_norm.weight":
    case "attn_norm.weight":
    case "ffn_norm.weight":
      return { columns: hidden };
    case "attn_q.weight":
      return { columns: hidden, rows: heads };
    case "attn_k.weight":
    case "attn_v.weight":
      return { columns: hidden, rows: kvHeads };
    case "attn_output.weight":
      return { columns: heads, rows: hidden };
    case "ffn_gate.weight":
    case "ffn_up.weight":
      return { columns: hidden, rows: ffn };
    case "ffn_down.weight":
      return { columns: ffn, rows: hidden };
    default:
      throw new Error(`no rule for ${part}`);
  }
}

/** What a tensor of the pruned model must hold, from the parent's and from what was kept, one value after the other. */
export function expectedSlice(parent: GgufContents, name: string, kept: KeptParts): Float32Array {
  const [, index, inLayer] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
  const layer = Number(index ?? 0);
  const source = index === undefined ? name : `blk.${kept.layers[layer]}.${inLayer}`;
  const { columns, rows } = keptAxes(inLayer ?? name, kept, layer);
  const [nColumns = 1, nRows = 1] = parent.tensors.find((tensor) => tensor.name === source)?.dims ?? [];
  const values = tensorValues(parent, source);
  const all = (n: number) => Array.from({ length: n }, (_, i) => i);
  return Float32Array.from(
    (rows ?? all(nRows)).flatMap((row) =>
      (columns ?? all(nColumns)).map((column) => values[row * nColumns + column] ?? 0),
    ),
  );
}

/** Every list of scores in an importance file, for comparing two of them. */
export function scoresOf({ hidden, hiddenByLayer, feedForward, heads, blockInfluence }: Importance): number[] {
  const lists = [hidden.signed, hidden.absolute, ...hiddenByLayer.signed, ...hiddenByLayer.absolute];
  return [...lists, ...feedForward.signed, ...feedForward.absolute, ...heads, blockInfluence].flat();
}

/** That the two models share a cache, that the pruned one writes on it, and that nothing but its file was made. */
export async function runsWith(
  t: ExecutionContext,
  model: string,
  { paths: [decode = ""] }: PruneResult,
): Promise<void> {
  const { plan } = await inspect({ prefill: { model }, decode: { model: decode } });
  t.is(plan.kind, "share", JSON.stringify(plan.reasons));
  t.true(plan.available);
  const pair = await openPair(t, { prefill: model, decode, handover: "share" });
  const { tokens, logProbs } = await answerAlone(pair, prompt, traced(12));
  t.is(tokens.length, 12);
  for (const { logProb } of logProbs) t.true(Number.isFinite(logProb));
}
