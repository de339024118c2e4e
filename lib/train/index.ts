/** Public face of the training room. */
export { createModel } from "./create-model.js";
export { estimateHeal, heal } from "./heal.js";
export type {
  CreateModelOptions,
  DistillationOptions,
  HealOptions,
  HealProgress,
  HealStage,
  LoraOptions,
  RateSchedule,
  TrainedSide,
  TrainedType,
  TrainingMode,
  TranslatorOutType,
} from "./options.js";
export type {
  BadLine,
  CreateModelResult,
  Evaluation,
  HealEstimate,
  HealReason,
  HealResult,
  WrittenReader,
  WrittenTranslator,
} from "./results.js";
