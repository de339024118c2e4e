import type { BindingErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** The native addon or llama.cpp's libraries cannot be loaded. The message says what to do about it. */
export class BindingError extends OverfillError {
  override readonly name = "BindingError";
  declare readonly code: BindingErrorCode;

  constructor(code: BindingErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is BindingError {
    return hasMark(error, "BindingError");
  }

  static {
    markClass(BindingError.prototype, "BindingError");
  }
}
