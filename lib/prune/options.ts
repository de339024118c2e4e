/** What callers may ask of pruning, of measuring importance and of padding. */

import type { GpuOption, ModelSource } from "../internal/model-source.js";
import type { ModelType } from "./model-types.js";

/**
 * How much of a dimension is cut: below 1 the share that goes (0 keeps all, 0.45 leaves int(n x 0.55)), from 1 on the
 * number that stays.
 */
export type PruneSize = number;

/**
 * Which layers stay when some go: the first n, the last n, layer 0 and the last n - 1, or the n that change what passes
 * through them most (block influence, ShortGPT, arXiv 2403.03853).
 */
export type LayerRule = "first" | "last" | "firstlast" | "influence";

/**
 * What pruning, measuring and padding do; each does only some. The parent is loaded, importance measured (`calibrating`),
 * the parent's loss measured, the model written, and its loss measured before the file gets its name.
 */
export type PruneStage = "loading" | "calibrating" | "writing" | "measuring";

/** How far the work has come. */
export interface PruneProgress {
  readonly stage: PruneStage;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
  /** Tokens of the text measured so far. */
  readonly tokens: number;
}

/** How a calibration text is read. */
export interface CalibrationOptions {
  /**
   * Tokens of a sample: 2 to 1048576, no more than the model was trained on.
   * @default 512, or what the model was trained on if that is less
   */
  readonly window?: number | undefined;
  /**
   * Samples that the model reads at once: 1 to 256.
   * @default as many as make 512 tokens
   */
  readonly windowsPerBatch?: number | undefined;
  /**
   * Measure at most this many samples: 1 or more.
   * @default all of the text
   */
  readonly maxSamples?: number | undefined;
}

/** How work runs, is watched and is stopped. */
export interface WorkOptions {
  /**
   * Threads to compute with: 1 to 512.
   * @default as for {@link loadPair}
   */
  readonly threads?: number | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: PruneProgress) => void) | undefined;
  /** Stops the work within one micro-batch or tensor; no file is left then, and the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** How a model is written. */
export interface ModelOutputOptions {
  /**
   * Where to write the model; what is there is replaced when all is done. With parts (`maxPartBytes`) the name is that of
   * llama.cpp: `-00001-of-00003` is put before `.gguf`.
   */
  readonly out: string | URL;
  /**
   * Splits the model into files of at most this many bytes of tensors: a number, or text such as `"2GB"` or `"1.5GiB"`.
   * @default one file
   */
  readonly maxPartBytes?: number | string | undefined;
  /** `general.name` of the model that is written. @default made from the parent's */
  readonly name?: string | undefined;
}

/** Options of {@link prune}. At least one of the sizes and targets must be there. */
export interface PruneOptions extends ModelSource, CalibrationOptions, ModelOutputOptions, WorkOptions {
  /** Width of the residual stream. Rounded to `multiple`. @default all of it stays */
  readonly hidden?: PruneSize | undefined;
  /** Width of every layer's feed-forward network. Rounded to `multiple`. @default all of it stays */
  readonly ffn?: PruneSize | undefined;
  /** Query heads of a layer; each KV head keeps equally many. The KV cache stays as it is. @default all stay */
  readonly heads?: PruneSize | undefined;
  /**
   * KV heads of a layer, each with its query heads. The KV cache becomes another: such a model no longer shares its
   * parent's, and needs a translator. @default all stay
   */
  readonly kvHeads?: PruneSize | undefined;
  /** Layers: a size as the others, or the list of those that stay, ascending. @default all stay */
  readonly layers?: PruneSize | readonly number[] | undefined;
  /** Which layers stay if `layers` is a size. @default "firstlast" */
  readonly layerRule?: LayerRule | undefined;
  /**
   * Parameters that the model has at most: a number, or text such as `"1.0B"` or `"350M"`. Finds one ratio for hidden and
   * feed-forward width, or for the one of them that has no size of its own. Not together with `targetBytes`.
   */
  readonly targetSize?: number | string | undefined;
  /** As `targetSize`, in bytes of tensors in the type that is written: a number, or text such as `"900MB"`. */
  readonly targetBytes?: number | string | undefined;
  /**
   * Text of the kind that the model is for: UTF-8, better a hundred thousand tokens than ten. Importance is measured on
   * it, unless `importance` has it already, and so are the losses: on samples of it that are held out from measuring.
   */
  readonly text?: string | URL | undefined;
  /** Importance measured before ({@link measureImportance}, `saveImportance`), in place of measuring it on `text`. */
  readonly importance?: string | URL | undefined;
  /** Where to write the importance that was measured on `text`, for other ratios later. */
  readonly saveImportance?: string | URL | undefined;
  /**
   * Widths are rounded to the nearest multiple of this: 1 to 65536. Quantised types need 32, the k-quants (`q4_k_m`, ...)
   * 256 for all of their tensors to be of their own type.
   * @default the largest of 256, 128, 64 and 32 that is at most a quarter of the width
   */
  readonly multiple?: number | undefined;
  /** Type of the model that is written. @default "f16" */
  readonly quantize?: ModelType | undefined;
  /**
   * Whether the norms are scaled as if the channels that go had been zero: weights by sqrt(n / n'), epsilon by n / n'.
   * Exact for channels that are; `false` slices the norms as the reference does.
   * @default true
   */
  readonly compensate?: boolean | undefined;
  /**
   * What a channel's score is made of: the size of its mean over a sample (`"signed"`: OverFill, arXiv 2508.08446), or the
   * mean of its size (`"absolute"`: Minitron, arXiv 2407.14679).
   * @default "signed"
   */
  readonly statistic?: "signed" | "absolute" | undefined;
  /**
   * Whether hidden channels are scored over the whole model at once, as in the paper, or by layer: then the scores of each
   * layer that stays are brought to one scale before they are summed. The set that stays is one for the model either way.
   * @default "model"
   */
  readonly hiddenScope?: "model" | "layers" | undefined;
  /** Whether every layer keeps feed-forward channels of its own, or all layers those of the same index. @default "layer" */
  readonly ffnScope?: "layer" | "model" | undefined;
  /** What stays: the most important, or, as baselines to measure against, a random choice or the least. @default "important" */
  readonly select?: "important" | "random" | "unimportant" | undefined;
  /** Of a random choice: 0 to 2^32 - 1. @default 1 */
  readonly seed?: number | undefined;
  /**
   * Whether a model that was made by pruning may be pruned once more, by importance that was measured on it: after it was
   * healed, in rounds. Not one that lacks layers.
   * @default false
   */
  readonly again?: boolean | undefined;
  /** Whether the losses before and after are measured, if there is a text. @default true */
  readonly measure?: boolean | undefined;
  /** As for {@link loadPair}; writing runs on the CPU. @default "auto" */
  readonly gpu?: GpuOption | undefined;
}

/** Options of {@link measureImportance}. At least one text or one file to merge must be there. */
export interface MeasureImportanceOptions extends ModelSource, CalibrationOptions, WorkOptions {
  /** Texts to measure on, one after the other; as for {@link PruneOptions.text}. */
  readonly text?: string | URL | readonly (string | URL)[] | undefined;
  /** Importance files of the same model, which are added to what is measured. */
  readonly merge?: string | URL | readonly (string | URL)[] | undefined;
  /** Where to write the importance file; a file that is there is replaced when all is done. */
  readonly out: string | URL;
  /** As for {@link loadPair}. @default "auto" */
  readonly gpu?: GpuOption | undefined;
}

/** Options of {@link pad}. */
export interface PadOptions extends ModelOutputOptions, WorkOptions {
  /** Path or `file:` URL of a GGUF file (for a sharded model: of its first shard). */
  readonly model: string | URL;
  /** Hidden and feed-forward width are brought up to the next multiple of this: 1 to 65536. @default 256 */
  readonly multiple?: number | undefined;
  /** Type of the model that is written. @default "same" */
  readonly quantize?: ModelType | undefined;
}
