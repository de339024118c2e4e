/** What quantising answers: plain read-only objects. Times are wall-clock milliseconds. */

import type { NativeMatrixResult, NativeQuantizedTensor, NativeQuantizeResult } from "../internal/binding-types.js";
import type { QuantizationType } from "./quantization-types.js";

/** A type that {@link quantize} takes. */
export interface QuantizationKind {
  readonly name: QuantizationType;
  /** Whether an importance matrix is needed, makes the result better, or makes no difference. */
  readonly importance: "needed" | "useful" | "unused";
}

/** What the weights of a model amount to. */
export interface WeightSize {
  readonly sizeBytes: number;
  readonly bitsPerWeight: number;
}

/** What became of a tensor. Types are in lower case. */
export interface QuantizedTensor {
  readonly name: string;
  /** Its columns first, then its rows. */
  readonly shape: readonly number[];
  readonly before: string;
  readonly after: string;
  /** The type that it should have had: its rows are no multiple of that type's blocks. Absent: it has it. */
  readonly wanted?: string;
}

/** Answer of {@link quantize}. */
export interface QuantizeResult {
  /** The files that were written: one, or the parts in their order. */
  readonly paths: readonly string[];
  readonly type: QuantizationType;
  readonly parameters: number;
  readonly before: WeightSize;
  readonly after: WeightSize;
  /** In the order of the file. */
  readonly tensors: readonly QuantizedTensor[];
  /** Those that had to fall back to another type. */
  readonly fallbacks: readonly QuantizedTensor[];
  /** How many tensors were quantised by the importance matrix. Absent: there was none. */
  readonly weightedTensors?: number;
  readonly ms: number;
}

/** Answer of {@link measureImportanceMatrix}. */
export interface ImportanceMatrix {
  readonly path: string;
  /** Weights that something is known of. */
  readonly tensors: number;
  /** File names of the texts. */
  readonly texts: readonly string[];
  /** In all, those of merged files included. */
  readonly samples: number;
  /** Tokens of a sample. */
  readonly window: number;
  /** Tokens that were read for it now. */
  readonly tokens: number;
  /** Experts' matrices that no token came to; they are quantised as if all of their columns mattered alike. */
  readonly unseenMatrices: number;
}

/** Without the dimensions behind the last that is more than one. */
function toShape(shape: readonly number[]): number[] {
  const last = shape.findLastIndex((n) => n > 1);
  return shape.slice(0, Math.max(1, last + 1));
}

function toTensor({ name, shape, before, after, wished }: NativeQuantizedTensor): QuantizedTensor {
  return {
    name,
    shape: toShape(shape),
    before: before.toLowerCase(),
    after: after.toLowerCase(),
    ...(wished !== "" && { wanted: wished.toLowerCase() }),
  };
}

/** @param weighted whether there was an importance matrix */
export function toQuantizeResult(
  native: NativeQuantizeResult,
  type: QuantizationType,
  weighted: boolean,
): QuantizeResult {
  const { paths, parameters, bytesBefore, bytesAfter, ms } = native;
  const size = (sizeBytes: number) => ({ sizeBytes, bitsPerWeight: (8 * sizeBytes) / parameters });
  const tensors = native.tensors.map(toTensor);
  return {
    paths,
    type,
    parameters,
    before: size(bytesBefore),
    after: size(bytesAfter),
    tensors,
    fallbacks: tensors.filter(({ wanted }) => wanted !== undefined),
    ...(weighted && { weightedTensors: native.weighted }),
    ms,
  };
}

export function toImportanceMatrix(native: NativeMatrixResult, path: string): ImportanceMatrix {
  const { entries, texts, samples, window, tokens, unseen } = native;
  return { path, tensors: entries, texts, samples, window, tokens, unseenMatrices: unseen };
}
