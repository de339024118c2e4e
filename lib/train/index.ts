/** Public face of the training room. */
export { createModel } from "./create-model.js";
export { heal } from "./heal.js";
export type {
  CreateModelOptions,
  DistillationOptions,
  HealOptions,
  HealProgress,
  HealStage,
  LoraOptions,
  RateSchedule,
  TrainedType,
  TrainingMode,
  TranslatorOutType,
} from "./options.js";
export type { BadLine, CreateModelResult, Evaluation, HealReason, HealResult, WrittenTranslator } from "./results.js";
