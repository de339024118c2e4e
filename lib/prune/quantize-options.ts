/** What callers may ask of quantising, and of measuring what to quantise by. */

import type { GpuOption, ModelSource } from "../internal/model-source.js";
import type { CalibrationOptions, MeasureImportanceOptions, ModelOutputOptions, WorkOptions } from "./options.js";
import type { QuantizationType, TensorType } from "./quantization-types.js";

/** Options of {@link quantize}. */
export interface QuantizeOptions extends Pick<ModelOutputOptions, "out" | "maxPartBytes">, WorkOptions {
  /** Path or `file:` URL of a GGUF file (for a sharded model: of its first shard). */
  readonly model: string | URL;
  /** Type of the model that is written; {@link quantizationTypes} lists them. */
  readonly type: QuantizationType;
  /**
   * An importance matrix of the model: of {@link measureImportanceMatrix}, or of llama.cpp's llama-imatrix (GGUF, or the
   * older `.dat`). It makes every quantised type better at the same size, and those of about two bits need it.
   */
  readonly importance?: string | URL | undefined;
  /**
   * Types of tensors by patterns: regular expressions, looked for anywhere in a tensor's name, of which the first that
   * matches counts: `{ "blk\\.0\\.": "q8_0", "ffn_down": "q6_k" }`. Each must match a tensor; none refers to what it found
   * before (`\\1`), and none is a whole number beside others, since objects put these first: write `"(12)"`. For
   * quantised types only.
   */
  readonly tensorTypes?: Readonly<Record<string, TensorType>> | undefined;
  /** Type of `output.weight`. @default as the rules of `type` say */
  readonly outputTensorType?: TensorType | undefined;
  /** Type of the token embeddings. @default as the rules of `type` say */
  readonly tokenEmbeddingType?: TensorType | undefined;
  /** Whether `output.weight` stays as it is. @default false */
  readonly keepOutputTensor?: boolean | undefined;
  /** Whether all tensors get one type, instead of finer ones where it matters most. @default false */
  readonly pure?: boolean | undefined;
  /** Whether tensors that are quantised may be quantised again, which loses more than quantising the original. @default false */
  readonly allowRequantize?: boolean | undefined;
}

/** Options of {@link measureImportanceMatrix}. At least one text or one file to merge must be there. */
export interface MeasureImportanceMatrixOptions
  extends ModelSource,
    Pick<CalibrationOptions, "window" | "maxSamples">,
    Pick<MeasureImportanceOptions, "text" | "out">,
    WorkOptions {
  /** Importance matrices of the same model, which are added to what is measured. */
  readonly merge?: string | URL | readonly (string | URL)[] | undefined;
  /** As for {@link loadPair}. @default "auto" */
  readonly gpu?: GpuOption | undefined;
}
