import type { TrainingErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A training cannot begin or go on. */
export class TrainingError extends OverfillError {
  override readonly name = "TrainingError";
  declare readonly code: TrainingErrorCode;

  constructor(code: TrainingErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is TrainingError {
    return hasMark(error, "TrainingError");
  }

  static {
    markClass(TrainingError.prototype, "TrainingError");
  }
}
