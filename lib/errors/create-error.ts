/** Picks the class for a code. The native side makes all its errors through this function. */
import { AbortedError } from "./aborted-error.js";
import { BindingError } from "./binding-error.js";
import { ContextOverflowError } from "./context-overflow-error.js";
import { DisposedError } from "./disposed-error.js";
import type { OverfillErrorCode } from "./error-code.js";
import { FileError } from "./file-error.js";
import { InferenceError } from "./inference-error.js";
import { InvalidArgumentError } from "./invalid-argument-error.js";
import { ModelError } from "./model-error.js";
import type { ErrorDetails, OverfillError } from "./overfill-error.js";
import { PairError } from "./pair-error.js";
import { PruneError } from "./prune-error.js";
import { StageError } from "./stage-error.js";
import { TrainingError } from "./training-error.js";
import { TranslatorError } from "./translator-error.js";

/**
 * @param code a public code, or `ERR_ABORTED`; an unknown one gives `ERR_INTERNAL` with the code in `details`
 * @param cause the error that led to this one, if one did
 */
export function createError(
  code: string,
  message: string,
  details: ErrorDetails = {},
  cause?: unknown,
): OverfillError | AbortedError {
  const known = code as OverfillErrorCode | "ERR_ABORTED";
  switch (known) {
    case "ERR_ABORTED":
      return new AbortedError(message);
    case "ERR_INVALID_ARGUMENT":
      return new InvalidArgumentError(message, details, cause);
    case "ERR_CONTEXT_OVERFLOW":
      return new ContextOverflowError(message, details, cause);
    case "ERR_DISPOSED":
      return new DisposedError(message, details, cause);
    case "ERR_MODEL_NOT_FOUND":
    case "ERR_MODEL_NOT_A_FILE":
    case "ERR_MODEL_INVALID":
    case "ERR_MODEL_UNSUPPORTED":
    case "ERR_MODEL_LOAD_FAILED":
      return new ModelError(known, message, details, cause);
    case "ERR_PAIR_INCOMPATIBLE":
    case "ERR_HANDOVER_UNAVAILABLE":
      return new PairError(known, message, details, cause);
    case "ERR_TRANSLATOR_INVALID":
    case "ERR_TRANSLATOR_MISMATCH":
      return new TranslatorError(known, message, details, cause);
    case "ERR_PRUNE_UNSUPPORTED":
    case "ERR_ALREADY_PRUNED":
    case "ERR_IMPORTANCE_INVALID":
    case "ERR_IMPORTANCE_MISMATCH":
      return new PruneError(known, message, details, cause);
    case "ERR_TRAINING_DIVERGED":
    case "ERR_CHECKPOINT_INVALID":
    case "ERR_OPERATION_UNSUPPORTED":
      return new TrainingError(known, message, details, cause);
    case "ERR_FILE_READ_FAILED":
    case "ERR_FILE_WRITE_FAILED":
    case "ERR_DATA_INVALID":
      return new FileError(known, message, details, cause);
    case "ERR_STAGE_ORDER":
    case "ERR_SESSION_BUSY":
    case "ERR_STREAM_CONSUMED":
    case "ERR_SESSION_LIMIT":
      return new StageError(known, message, details, cause);
    case "ERR_PLATFORM_UNSUPPORTED":
    case "ERR_PLATFORM_PACKAGE_MISSING":
    case "ERR_BINDING_MISSING":
    case "ERR_BINDING_LOAD_FAILED":
    case "ERR_LLAMA_VERSION_MISMATCH":
    case "ERR_LIBRARY_CONFLICT":
    case "ERR_GPU_UNAVAILABLE":
      return new BindingError(known, message, details, cause);
    case "ERR_GRAMMAR_INVALID":
    case "ERR_INFERENCE_FAILED":
    case "ERR_OUT_OF_MEMORY":
    case "ERR_INTERNAL":
      return new InferenceError(known, message, details, cause);
    default:
      return unknownCode(known, message, details, cause);
  }
}

/** Typed so that the compiler refuses a code without a class in the switch above. */
function unknownCode(code: never, message: string, details: ErrorDetails, cause: unknown): InferenceError {
  return new InferenceError("ERR_INTERNAL", message, { ...details, code }, cause);
}
