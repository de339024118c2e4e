import type { ModelErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A model file cannot be used. `details.path` names it. */
export class ModelError extends OverfillError {
  override readonly name = "ModelError";
  declare readonly code: ModelErrorCode;

  constructor(code: ModelErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is ModelError {
    return hasMark(error, "ModelError");
  }

  static {
    markClass(ModelError.prototype, "ModelError");
  }
}
