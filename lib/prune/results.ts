/** What pruning, measuring and padding answer: plain read-only objects. Times are wall-clock milliseconds. */

import type {
  NativeArchitecture,
  NativeImportance,
  NativeModelSize,
  NativePadResult,
  NativePruneResult,
} from "../internal/binding-types.js";

/** The dimensions of a model. */
export interface ModelDimensions {
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
}

/** The dimensions of a model and what they amount to. */
export interface ModelSize extends ModelDimensions {
  readonly parameters: number;
  /** Bytes of the weights. */
  readonly sizeBytes: number;
}

/** What stayed of a model: ascending indices in the parent's own numbering. */
export interface KeptParts {
  /** Channels of the residual stream, one set for the whole model. */
  readonly hidden: readonly number[];
  readonly layers: readonly number[];
  /** Feed-forward channels, by kept layer. */
  readonly feedForward: readonly (readonly number[])[];
  /** Query heads, by kept layer. */
  readonly heads: readonly (readonly number[])[];
  /** KV heads, by kept layer. */
  readonly kvHeads: readonly (readonly number[])[];
}

/** Next-token losses on the samples of the text that were held out, in nats per token, each model by itself. */
export interface PruneLoss {
  readonly before: number;
  readonly after: number;
  /** Tokens that they were measured on. */
  readonly tokens: number;
}

/** Answer of {@link prune}. */
export interface PruneResult {
  /** The files that were written: one, or the parts in their order. */
  readonly paths: readonly string[];
  /** Type of the model that was written, as `quantize` names it. */
  readonly type: string;
  /** `general.architecture`. `after` is another one where the parent's cannot hold such sizes; it computes the same. */
  readonly architecture: { readonly before: string; readonly after: string };
  /** The parent's, which is the same for all quantisations of it. */
  readonly parentFingerprint: string;
  readonly before: ModelSize;
  readonly after: ModelSize;
  /** What the options asked for, before widths were rounded to `multiple`. */
  readonly requested: ModelDimensions;
  readonly multiple: number;
  readonly compensated: boolean;
  readonly kept: KeptParts;
  /** What importance was measured on. Absent: it was not needed. */
  readonly calibration?: { readonly samples: number; readonly tokens: number };
  /** Absent: not measured. */
  readonly loss?: PruneLoss;
  /** Time spent on measuring importance. */
  readonly calibrateMs: number;
  /** Time spent on writing the model. */
  readonly writeMs: number;
  /** All of it, loading included. */
  readonly ms: number;
}

/** Scores of channels by two statistics; see {@link PruneOptions.statistic}. */
export interface ChannelScores<Scores> {
  readonly signed: Scores;
  readonly absolute: Scores;
}

/** What an importance file holds. Scores are L2 norms over the samples. Answer of {@link measureImportance}. */
export interface Importance {
  readonly path: string;
  /** The model that it was measured on. */
  readonly model: {
    /** For people; may be empty. */
    readonly name: string;
    /** The same for all quantisations of a model. */
    readonly fingerprint: string;
    readonly architecture: string;
  };
  /** File names of the texts, with ", " between them. */
  readonly text: string;
  /** Tokens of a sample, at most. */
  readonly window: number;
  readonly samples: number;
  readonly tokens: number;
  /** The model's own next-token loss over the texts, in nats per token. */
  readonly loss: number;
  /** A score per hidden channel, over the whole model. */
  readonly hidden: ChannelScores<readonly number[]>;
  /** The same by layer. */
  readonly hiddenByLayer: ChannelScores<readonly (readonly number[])[]>;
  /** A score per feed-forward channel, by layer. */
  readonly feedForward: ChannelScores<readonly (readonly number[])[]>;
  /** A score per query head, by layer. */
  readonly heads: readonly (readonly number[])[];
  /** One value per layer, 0 to 2: 1 - the mean cosine between what enters it and what leaves it. 0: the layer does nothing. */
  readonly blockInfluence: readonly number[];
}

/** Answer of {@link pad}. */
export interface PadResult {
  /** The files that were written: one, or the parts in their order. */
  readonly paths: readonly string[];
  /** Type of the model that was written, as `quantize` names it. */
  readonly type: string;
  readonly before: ModelSize;
  readonly after: ModelSize;
  readonly ms: number;
}

/** An architecture whose models can be pruned. */
export interface PrunableArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /**
   * The architecture that a pruned model is written as where its width is no longer heads x head size, which its own could
   * not load. Absent: its own can.
   */
  readonly carrier?: string;
  /** Its width must stay heads x head size, and no other architecture can carry the result. */
  readonly square: boolean;
}

const toList = (values: ArrayLike<number>): number[] => Array.from(values);
const toLists = <Source extends ArrayLike<number>>(lists: readonly Source[]): number[][] => lists.map(toList);

function toDimensions({ hiddenSize, feedForwardSize, layers, heads, kvHeads }: NativeModelSize): ModelDimensions {
  return { hiddenSize, feedForwardSize, layers, heads, kvHeads };
}

function toSize(native: NativePruneResult["before"]): ModelSize {
  return { ...toDimensions(native), parameters: native.parameters, sizeBytes: native.sizeBytes };
}

/** The native side's answer with what is absent left out. */
export function toPruneResult(native: NativePruneResult): PruneResult {
  const { paths, type, architectureBefore, architectureAfter, fingerprint, multiple, compensated, kept } = native;
  const { samples, tokens, lossTokens, lossBefore, lossAfter, calibrateMs, writeMs, ms } = native;
  return {
    paths,
    type,
    architecture: { before: architectureBefore, after: architectureAfter },
    parentFingerprint: fingerprint,
    before: toSize(native.before),
    after: toSize(native.after),
    requested: toDimensions(native.wished),
    multiple,
    compensated,
    kept: {
      hidden: toList(kept.hidden),
      layers: toList(kept.layers),
      feedForward: toLists(kept.feedForward),
      heads: toLists(kept.heads),
      kvHeads: toLists(kept.kvHeads),
    },
    ...(samples > 0 && { calibration: { samples, tokens } }),
    ...(lossTokens > 0 && { loss: { before: lossBefore, after: lossAfter, tokens: lossTokens } }),
    calibrateMs,
    writeMs,
    ms,
  };
}

export function toImportance(native: NativeImportance, path: string): Importance {
  const { name, fingerprint, architecture, text, window, samples, tokens, loss } = native;
  const byLayer = ({ signed, absolute }: NativeImportance["feedForward"]) => ({
    signed: toLists(signed),
    absolute: toLists(absolute),
  });
  return {
    path,
    model: { name, fingerprint, architecture },
    text,
    window,
    samples,
    tokens,
    loss,
    hidden: { signed: toList(native.hidden.signed), absolute: toList(native.hidden.absolute) },
    hiddenByLayer: byLayer(native.hiddenByLayer),
    feedForward: byLayer(native.feedForward),
    heads: toLists(native.heads),
    blockInfluence: toList(native.blockInfluence),
  };
}

export function toPadResult({ paths, type, before, after, ms }: NativePadResult): PadResult {
  return { paths, type, before: toSize(before), after: toSize(after), ms };
}

export function toArchitecture({ name, carrier, square }: NativeArchitecture): PrunableArchitecture {
  return { name, ...(carrier !== "" && { carrier }), square };
}
