/**
 * The search for the sizes of a decode model: of all widths that meet the target, those that keep most of what was measured as
 * important. Width comes before depth, as in Minitron (Muralidharan et al., arXiv 2407.14679): layers go, by their block
 * influence, only where no widths of at least a quarter meet the target. Feed-forward networks keep one width for all layers,
 * since the files of dense models have a single one; which channels stay differs by layer.
 */

import type { Importance } from "../prune/index.js";
import { allParameters, bitsOfType, type ModelShape, readParameters, type Widths } from "./model-cost.js";

/** A decode model that could be made. */
export interface Candidate extends Widths {
  readonly type: string;
  /** Share of the importance that stays, 0 to 1, and less for a coarse type. */
  readonly kept: number;
  readonly parameters: number;
  /** Of the file's tensors. */
  readonly bytes: number;
  /** Of the weights that a token is multiplied with. */
  readonly readBytes: number;
}

/** What is searched among. */
export interface SearchSpace {
  readonly shape: ModelShape;
  readonly types: readonly string[];
  /** Of both widths. */
  readonly multiple: number;
  /** Whether the widths can be cut at all; an architecture may only allow the feed-forward networks. */
  readonly cuts: { readonly hidden: boolean; readonly ffn: boolean; readonly layers: boolean };
  /** Undefined: all parts count the same. */
  readonly importance: Pick<Importance, "hidden" | "feedForward" | "blockInfluence"> | undefined;
}

/** What a coarse type leaves of a model's worth. A judgement of ours, not a measurement: `quantize` overrides it. */
const worthOfType = (type: string): number => {
  const bits = bitsOfType(type);
  return bits >= 6 ? 1 : bits >= 4.5 ? 0.97 : bits >= 3.5 ? 0.9 : 0.75;
};

/** As prune has it: the largest that is at most a quarter of the smaller width. */
export function multipleFor(width: number, asked: number | undefined): number {
  return asked ?? [256, 128, 64, 32].find((multiple) => 4 * multiple <= width) ?? 32;
}

/** `full`, and every multiple below it down to a quarter. */
function widthsDownTo(full: number, multiple: number, cut: boolean): number[] {
  const widths = [full];
  if (!cut) return widths;
  const least = Math.max(multiple, full / 4);
  for (let width = Math.ceil(full / multiple - 1) * multiple; width >= least; width -= multiple) widths.push(width);
  return widths;
}

/** At index n: the share of the sum that the n largest have. */
function sharesKept(scores: readonly number[]): number[] {
  const sorted = scores.toSorted((a, b) => b - a);
  const total = sorted.reduce((sum, score) => sum + score, 0);
  const shares = [0];
  let kept = 0;
  for (const [i, score] of sorted.entries()) {
    kept += score;
    shares.push(total > 0 ? kept / total : (i + 1) / sorted.length);
  }
  return shares;
}

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function sharesOf({ importance, shape }: SearchSpace) {
  if (!importance)
    return {
      hidden: (n: number) => n / shape.hiddenSize,
      ffn: (n: number) => n / shape.feedForwardSize,
      layers: (n: number) => n / shape.layers,
    };
  const hidden = sharesKept(importance.hidden.signed);
  const ffn = importance.feedForward.signed.map(sharesKept);
  const layers = sharesKept(importance.blockInfluence);
  return {
    hidden: (n: number) => hidden[n] ?? 1,
    ffn: (n: number) => meanOf(ffn.map((shares) => shares[n] ?? 1)),
    layers: (n: number) => layers[n] ?? 1,
  };
}

function toCandidate(
  { shape }: SearchSpace,
  shares: ReturnType<typeof sharesOf>,
  widths: Widths,
  type: string,
): Candidate {
  const { hidden, ffn, layers } = widths;
  const bits = bitsOfType(type);
  const parameters = allParameters(shape, widths);
  return {
    ...widths,
    type,
    kept: shares.hidden(hidden) * shares.ffn(ffn) * shares.layers(layers) * worthOfType(type),
    parameters,
    bytes: (parameters * bits) / 8,
    readBytes: (readParameters(shape, widths) * bits) / 8,
  };
}

const fewestLayers = ({ shape, cuts }: SearchSpace) =>
  cuts.layers ? Math.max(1, Math.ceil(shape.layers / 2)) : shape.layers;

/**
 * All candidates that meet a target, the best first: with all layers where there are any, else with the most layers that
 * allow one.
 */
export function findCandidates(space: SearchSpace, meets: (candidate: Candidate) => boolean): readonly Candidate[] {
  const shares = sharesOf(space);
  for (let layers = space.shape.layers; layers >= fewestLayers(space); layers--) {
    const found = candidatesOf(space, shares, layers, meets);
    if (found.length > 0) return bestFirst(found);
  }
  return [];
}

/** The same of any depth: where layers are what costs time. */
export function findShallow(space: SearchSpace, meets: (candidate: Candidate) => boolean): readonly Candidate[] {
  const shares = sharesOf(space);
  const found: Candidate[] = [];
  for (let layers = space.shape.layers; layers >= fewestLayers(space); layers--)
    found.push(...candidatesOf(space, shares, layers, meets));
  return bestFirst(found);
}

function candidatesOf(
  space: SearchSpace,
  shares: ReturnType<typeof sharesOf>,
  layers: number,
  meets: (candidate: Candidate) => boolean,
): Candidate[] {
  const { shape, types, multiple, cuts } = space;
  return widthsDownTo(shape.hiddenSize, multiple, cuts.hidden).flatMap((hidden) =>
    widthsDownTo(shape.feedForwardSize, multiple, cuts.ffn).flatMap((ffn) =>
      types.map((type) => toCandidate(space, shares, { hidden, ffn, layers }, type)).filter(meets),
    ),
  );
}

/** Of equals the smaller one. */
const bestFirst = (found: readonly Candidate[]): readonly Candidate[] =>
  found.toSorted((a, b) => b.kept - a.kept || a.readBytes - b.readBytes);

/** The least that is searched, in the coarsest type. */
export const smallestCandidate = (space: SearchSpace): Candidate => narrowestCandidate(space, fewestLayers(space));

/** The least widths in the coarsest type. */
export function narrowestCandidate(space: SearchSpace, layers = space.shape.layers): Candidate {
  const { shape, types, multiple, cuts } = space;
  const hidden = widthsDownTo(shape.hiddenSize, multiple, cuts.hidden).at(-1) as number;
  const ffn = widthsDownTo(shape.feedForwardSize, multiple, cuts.ffn).at(-1) as number;
  const [type = "q8_0"] = types.toSorted((a, b) => bitsOfType(a) - bitsOfType(b));
  return toCandidate(space, sharesOf(space), { hidden, ffn, layers }, type);
}

/** Whether anything but the type differs from the full model. */
export const isCut = (shape: ModelShape, { hidden, ffn, layers }: Widths): boolean =>
  hidden < shape.hiddenSize || ffn < shape.feedForwardSize || layers < shape.layers;

/** Half of the way from the full model, in ratio; undefined where there is nothing between. */
export function halfWay(space: SearchSpace, to: Widths): Widths | undefined {
  const { shape, multiple } = space;
  const between = (full: number, end: number) => {
    if (end >= full) return full;
    const middle = Math.round(Math.sqrt(full * end) / multiple) * multiple;
    return Math.min(full, Math.max(end, middle));
  };
  const half = {
    hidden: between(shape.hiddenSize, to.hidden),
    ffn: between(shape.feedForwardSize, to.ffn),
    // They go in the second round: a model without some of its layers is not cut again.
    layers: shape.layers,
  };
  const moves = isCut(shape, half) && (half.hidden > to.hidden || half.ffn > to.ffn);
  return moves ? half : undefined;
}
