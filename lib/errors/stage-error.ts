import type { StageErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A stage was called out of order, twice, or while another one ran. The session stays usable. */
export class StageError extends OverfillError {
  override readonly name = "StageError";
  declare readonly code: StageErrorCode;

  constructor(code: StageErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is StageError {
    return hasMark(error, "StageError");
  }

  static {
    markClass(StageError.prototype, "StageError");
  }
}
