/**
 * The public face of the errors: a leaf that imports nothing else of the package.
 * `aborted-error.ts` serves the native side and stays inside.
 */
export { BindingError } from "./binding-error.js";
export { ContextOverflowError } from "./context-overflow-error.js";
export { createError } from "./create-error.js";
export { DisposedError } from "./disposed-error.js";
export type {
  BindingErrorCode,
  FileErrorCode,
  InferenceErrorCode,
  ModelErrorCode,
  OverfillErrorCode,
  PairErrorCode,
  PruneErrorCode,
  StageErrorCode,
  TrainingErrorCode,
  TranslatorErrorCode,
} from "./error-code.js";
export { FileError } from "./file-error.js";
export { InferenceError } from "./inference-error.js";
export { InvalidArgumentError } from "./invalid-argument-error.js";
export { ModelError } from "./model-error.js";
export { type ErrorDetails, OverfillError } from "./overfill-error.js";
export { PairError } from "./pair-error.js";
export { PruneError } from "./prune-error.js";
export { StageError } from "./stage-error.js";
export { TrainingError } from "./training-error.js";
export { TranslatorError } from "./translator-error.js";
