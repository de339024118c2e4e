import type { PruneErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A model cannot be pruned, or not with this importance. */
export class PruneError extends OverfillError {
  override readonly name = "PruneError";
  declare readonly code: PruneErrorCode;

  constructor(code: PruneErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is PruneError {
    return hasMark(error, "PruneError");
  }

  static {
    markClass(PruneError.prototype, "PruneError");
  }
}
