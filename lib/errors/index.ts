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
  InferenceErrorCode,
  ModelErrorCode,
  OverfillErrorCode,
  PairErrorCode,
  StageErrorCode,
} from "./error-code.js";
export { InferenceError } from "./inference-error.js";
export { InvalidArgumentError } from "./invalid-argument-error.js";
export { ModelError } from "./model-error.js";
export { type ErrorDetails, OverfillError } from "./overfill-error.js";
export { PairError } from "./pair-error.js";
export { StageError } from "./stage-error.js";
