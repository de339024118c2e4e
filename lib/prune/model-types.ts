/** The types that a model can be written in. */

/** What {@link ModelType} names: those of llama.cpp's quantisations are here that need no importance matrix of its kind. */
export const modelTypes = [
  "same",
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q6_k",
  "q5_k_m",
  "q5_k_s",
  "q5_1",
  "q5_0",
  "q4_k_m",
  "q4_k_s",
  "q4_1",
  "q4_0",
  "iq4_nl",
  "iq4_xs",
  "q3_k_l",
  "q3_k_m",
  "q3_k_s",
  "iq3_m",
  "iq3_s",
  "q2_k",
] as const;

/**
 * The type of a model that is written: a float type, or one of llama.cpp's quantisations, whose rules choose each tensor's
 * type. `"same"`: each tensor keeps its type where its new width allows, else it becomes f16.
 */
export type ModelType = (typeof modelTypes)[number];
