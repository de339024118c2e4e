import type { TranslatorErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A translator file cannot be used, or not for these two models. */
export class TranslatorError extends OverfillError {
  override readonly name = "TranslatorError";
  declare readonly code: TranslatorErrorCode;

  constructor(code: TranslatorErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is TranslatorError {
    return hasMark(error, "TranslatorError");
  }

  static {
    markClass(TranslatorError.prototype, "TranslatorError");
  }
}
