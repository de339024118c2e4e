/** Public face of the pruning room. */
export { prunableArchitectures } from "./architectures.js";
export { measureImportance, readImportance } from "./importance.js";
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
