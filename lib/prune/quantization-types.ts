/** The quantisations that a model can be written in, and the types that single tensors can have. */

import type { QuantizationKind } from "./quantize-results.js";

/** What {@link QuantizationType} names, as llama-quantize does, but in lower case. */
export const quantizationNames = [
  "copy",
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q6_k",
  "q5_k_m",
  "q5_k",
  "q5_k_s",
  "q5_1",
  "q5_0",
  "q4_k_m",
  "q4_k",
  "q4_k_s",
  "q4_1",
  "q4_0",
  "iq4_nl",
  "iq4_xs",
  "mxfp4_moe",
  "q3_k_l",
  "q3_k_m",
  "q3_k",
  "q3_k_s",
  "iq3_m",
  "iq3_s",
  "iq3_xs",
  "iq3_xxs",
  "q2_k",
  "q2_k_s",
  "q2_0",
  "iq2_m",
  "iq2_s",
  "iq2_xs",
  "iq2_xxs",
  "tq2_0",
  "tq1_0",
  "iq1_m",
  "iq1_s",
  "q1_0",
] as const;

/**
 * A quantisation of llama.cpp, whose rules choose each tensor's type. `"q3_k"`, `"q4_k"` and `"q5_k"` are the `_m` ones;
 * `"copy"` leaves all tensors as they are, for joining and splitting files.
 */
export type QuantizationType = (typeof quantizationNames)[number];

/** What {@link TensorType} names. */
export const tensorTypes = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q6_k",
  "q5_k",
  "q5_1",
  "q5_0",
  "q4_k",
  "q4_1",
  "q4_0",
  "iq4_nl",
  "iq4_xs",
  "mxfp4",
  "nvfp4",
  "q3_k",
  "iq3_s",
  "iq3_xxs",
  "q2_k",
  "q2_0",
  "iq2_s",
  "iq2_xs",
  "iq2_xxs",
  "tq2_0",
  "tq1_0",
  "iq1_m",
  "iq1_s",
  "q1_0",
] as const;

/** The type of a single tensor, as ggml names it, but in lower case. */
export type TensorType = (typeof tensorTypes)[number];

/** Their rules give some tensors a type that llama.cpp does not make without an importance matrix. */
const needing: ReadonlySet<string> = new Set<QuantizationType>([
  "iq3_xs",
  "iq3_xxs",
  "q2_k_s",
  "iq2_m",
  "iq2_s",
  "iq2_xs",
  "iq2_xxs",
  "iq1_m",
  "iq1_s",
]);

/** They are made without a look at it. */
const indifferent: ReadonlySet<string> = new Set<QuantizationType>([
  "copy",
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "mxfp4_moe",
  "q2_0",
  "tq2_0",
  "tq1_0",
  "q1_0",
]);

/** The types that {@link quantize} takes, the finest first, and what an importance matrix is to each. */
export function quantizationTypes(): readonly QuantizationKind[] {
  return quantizationNames.map((name) => ({
    name,
    importance: needing.has(name) ? "needed" : indifferent.has(name) ? "unused" : "useful",
  }));
}
