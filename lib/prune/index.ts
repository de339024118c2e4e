/** Public face of the pruning room. */
export { prunableArchitectures } from "./architectures.js";
export { measureImportance, readImportance } from "./importance.js";
export { measureImportanceMatrix } from "./importance-matrix.js";
export type { ModelType } from "./model-types.js";
export type {
  CalibrationOptions,
  LayerRule,
  MeasureImportanceOptions,
  ModelOutputOptions,
  PadOptions,
  PruneOptions,
  PruneProgress,
  PruneSize,
  PruneStage,
  WorkOptions,
} from "./options.js";
export { pad } from "./pad.js";
export { prune } from "./prune.js";
export type { QuantizationType, TensorType } from "./quantization-types.js";
export { quantizationTypes } from "./quantization-types.js";
export { quantize } from "./quantize.js";
export type { MeasureImportanceMatrixOptions, QuantizeOptions } from "./quantize-options.js";
export type {
  ImportanceMatrix,
  QuantizationKind,
  QuantizedTensor,
  QuantizeResult,
  WeightSize,
} from "./quantize-results.js";
export type {
  ChannelScores,
  Importance,
  KeptParts,
  ModelDimensions,
  ModelSize,
  PadResult,
  PrunableArchitecture,
  PruneLoss,
  PruneResult,
} from "./results.js";
