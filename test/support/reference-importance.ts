/**
 * Importance once more, one formula a score, from the activations of the slow forward pass. A sample is one window of the
 * text; means are over its tokens, and every score but block influence is the L2 norm over the samples.
 *
 *     hidden     sum over the layers and both norms of |mean of the norm's output|        (OverFill; "signed")
 *                sum over the layers and both norms of  mean of |the norm's output|       (Minitron; "absolute")
 *     FFN        mean of the down projection's input, or of its absolute value, by layer
 *     heads      mean of the L2 norm of the head's output, by layer
 *     influence  mean over all tokens of 1 - cosine(what enters a layer, what leaves it)  (ShortGPT)
 */

import { logSoftMax, type Vector } from "./reference-arithmetic.js";
import type { ForwardPass } from "./reference-forward.js";
import type { ReferenceShape } from "./reference-model.js";

/** One score by the signed mean, one by the mean of absolute values. */
export interface BothMeans<Scores> {
  readonly signed: Scores;
  readonly absolute: Scores;
}

export interface ReferenceImportance {
  /** [nEmbd] */
  readonly hidden: BothMeans<Vector>;
  /** By layer: the sum over both norms of that layer alone. */
  readonly hiddenByLayer: BothMeans<Vector[]>;
  /** By layer, [nFf]. */
  readonly feedForward: BothMeans<Vector[]>;
  /** By layer, [nHeads]. */
  readonly heads: Vector[];
  /** [nLayers] */
  readonly blockInfluence: Vector;
}

type Mean = keyof BothMeans<unknown>;

export function referenceImportance(
  { nHeads, headSizeV, nLayers }: ReferenceShape,
  samples: readonly ForwardPass[],
): ReferenceImportance {
  const both = <Scores>(scores: (mean: Mean) => Scores) => ({ signed: scores("signed"), absolute: scores("absolute") });
  const layers = Array.from({ length: nLayers }, (_, layer) => layer);
  const hiddenOfLayer = (sample: ForwardPass, layer: number, mean: Mean) => {
    const { attentionNorm, ffnNorm } = layerOf(sample, layer);
    return sum([meanOf(attentionNorm, mean).map(Math.abs), meanOf(ffnNorm, mean).map(Math.abs)]);
  };
  return {
    hidden: both((mean) => overSamples(samples, (sample) => sum(layers.map((i) => hiddenOfLayer(sample, i, mean))))),
    hiddenByLayer: both((mean) => layers.map((i) => overSamples(samples, (sample) => hiddenOfLayer(sample, i, mean)))),
    feedForward: both((mean) =>
      layers.map((i) => overSamples(samples, (sample) => meanOf(layerOf(sample, i).ffn, mean))),
    ),
    heads: layers.map((i) =>
      overSamples(samples, (sample) => {
        const sizes = layerOf(sample, i).heads.map((x) =>
          Float64Array.from({ length: nHeads }, (_, head) =>
            Math.hypot(...x.subarray(head * headSizeV, (head + 1) * headSizeV)),
          ),
        );
        return meanOf(sizes, "signed");
      }),
    ),
    blockInfluence: Float64Array.from(layers, (i) => {
      const distances = samples.flatMap((sample) => {
        const { input, output } = layerOf(sample, i);
        return input.map((x, token) => 1 - cosine(x, output[token] as Vector));
      });
      return distances.reduce((total, distance) => total + distance, 0) / distances.length;
    }),
  };
}

/** Nats a token: how badly each pass foretells the next tokens of its window, over all but the first of each. */
export function referenceLoss(windows: readonly (readonly number[])[], passes: readonly ForwardPass[]): number {
  const losses = windows.flatMap((tokens, i) =>
    tokens.slice(1).map((token, position) => -(logSoftMax(passes[i]?.logits[position] as Vector)[token] as number)),
  );
  return losses.reduce((total, loss) => total + loss, 0) / losses.length;
}

/** The indices of the `count` highest scores, ascending; of equal ones the lower indices. */
export function topIndices(scores: Vector, count: number): number[] {
  return [...scores.keys()]
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** The query heads of the highest scores, as many of each KV head's group. */
export function topHeads(scores: Vector, nKvHeads: number, countOfGroup: number): number[] {
  const size = scores.length / nKvHeads;
  return Array.from({ length: nKvHeads }, (_, group) =>
    topIndices(scores.subarray(group * size, (group + 1) * size), countOfGroup).map((head) => group * size + head),
  ).flat();
}

const layerOf = ({ layers }: ForwardPass, layer: number) => layers[layer] as ForwardPass["layers"][number];

function overSamples(samples: readonly ForwardPass[], score: (sample: ForwardPass) => Vector): Vector {
  return sum(samples.map((sample) => score(sample).map((value) => value ** 2))).map(Math.sqrt);
}

function meanOf(rows: readonly Vector[], mean: Mean): Vector {
  return sum(mean === "signed" ? rows : rows.map((row) => row.map(Math.abs))).map((total) => total / rows.length);
}

function sum(rows: readonly Vector[]): Vector {
  const total = new Float64Array(rows[0]?.length ?? 0);
  for (const row of rows) for (const [i, value] of row.entries()) total[i] = (total[i] as number) + value;
  return total;
}

function cosine(a: Vector, b: Vector): number {
  const dot = a.reduce((total, x, i) => total + x * (b[i] as number), 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}
