import type { InferenceErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** Something failed at run time, inside llama.cpp or on the way to it. */
export class InferenceError extends OverfillError {
  override readonly name = "InferenceError";
  declare readonly code: InferenceErrorCode;

  constructor(code: InferenceErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is InferenceError {
    return hasMark(error, "InferenceError");
  }

  static {
    markClass(InferenceError.prototype, "InferenceError");
  }
}
