/** What making and planning a pair have in common: the options as paths, the prompts, and what can be searched. */

import { resolve } from "node:path";
import type { ModelInfo } from "../engine/index.js";
import { refusedArgument, toPath } from "../internal/check-options.js";
import type { ModelSource } from "../internal/model-source.js";
import { type Importance, prunableArchitectures } from "../prune/index.js";
import { type Target, typesFor } from "./choose-model.js";
import { bitsOfModel, bitsOfType } from "./model-cost.js";
import { markOfFile, type ParentFacts, readParentFacts } from "./parent-facts.js";
import { readSplitPrompts, type SplitPrompts } from "./prompt-files.js";
import type { ChosenModel } from "./results.js";
import type { CheckedMakeOptions } from "./validation.js";
import { type Candidate, multipleFor, type SearchSpace } from "./width-search.js";

/** What is known before a model is loaded. */
export interface Prepared {
  readonly checked: CheckedMakeOptions;
  /** The full model, by its absolute path. */
  readonly source: ModelSource & { readonly model: string };
  /** Absolute. */
  readonly folder: string;
  readonly text: string | undefined;
  /** What tells that text from another one. */
  readonly textMark: string | undefined;
  readonly parent: ParentFacts;
  readonly prompts: SplitPrompts;
  readonly target: Target;
}

/** Rejects with what reading the files rejects with. */
export async function prepare(checked: CheckedMakeOptions): Promise<Prepared> {
  const model = resolve(toPath(checked.model.model, "options.model"));
  const folder = resolve(toPath(checked.out, "options.out"));
  const data = resolve(toPath(checked.data, "options.data"));
  const text = checked.text === undefined ? undefined : resolve(toPath(checked.text, "options.text"));
  if (folder === model || folder === data)
    throw refusedArgument("options.out", "expected a folder, and no file that is read", folder);
  const { heldOut, maxBadLines, onBadLine, signal } = checked;
  const prompts = await readSplitPrompts(data, { heldOut, maxBadLines, onBadLine, signal });
  const parent = await readParentFacts(model);
  const textMark = text === undefined ? undefined : await markOfFile(text);
  const source = { ...checked.model, model };
  return { checked, source, folder, text, textMark, parent, prompts, target: targetOf(checked) };
}

function targetOf({ speedUp, targetSize, targetBytes }: CheckedMakeOptions): Target {
  if (speedUp !== undefined) return { kind: "speedUp", value: speedUp };
  if (targetSize !== undefined) return { kind: "targetSize", value: targetSize };
  if (targetBytes !== undefined) return { kind: "targetBytes", value: targetBytes };
  return { kind: "quantize" };
}

/** Throws ERR_INVALID_ARGUMENT for a target that the full model meets itself. */
export function refuseFullSize({ target }: Prepared, { parameters, sizeBytes }: ModelInfo): void {
  if (target.kind === "targetSize" && target.value >= parameters)
    throw refusedArgument("options.targetSize", `expected less than the full model's ${parameters}`, `${target.value}`);
  if (target.kind === "targetBytes" && target.value >= sizeBytes)
    throw refusedArgument("options.targetBytes", `expected less than the full model's ${sizeBytes}`, `${target.value}`);
}

/** What there is to choose among. */
export function spaceOf(
  { checked, target }: Prepared,
  shape: ModelInfo,
  importance: SearchSpace["importance"] | Importance,
): SearchSpace {
  const multiple = multipleFor(Math.min(shape.hiddenSize, shape.feedForwardSize), checked.multiple);
  const architecture = prunableArchitectures().find(({ name }) => name === shape.architecture);
  const cuts = target.kind !== "quantize" && architecture !== undefined;
  const types =
    checked.quantize !== undefined
      ? [checked.quantize]
      : target.kind === "speedUp"
        ? typesFor(bitsOfModel(shape), multiple)
        : ["q8_0"];
  return {
    shape,
    types,
    multiple,
    // A square architecture's width goes with its heads, which are left alone.
    cuts: { hidden: cuts && !architecture.square, ffn: cuts, layers: cuts },
    importance,
  };
}

export const toChosen = (
  candidate: Candidate,
  real: { readonly parameters: number; readonly sizeBytes: number },
): ChosenModel => ({
  hiddenSize: candidate.hidden,
  feedForwardSize: candidate.ffn,
  layers: candidate.layers,
  type: candidate.type,
  importanceKept: candidate.kept,
  parameters: real.parameters,
  sizeBytes: real.sizeBytes,
});

/** While the pair is made: pruned, healed and its checkpoint (weights and two moments in f32), and two quantised ones. */
export const workBytesOf = (parameters: number, type: string): number =>
  Math.round(parameters * (2 + 2 + 12 + (2 * bitsOfType(type)) / 8));
