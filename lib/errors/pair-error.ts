import type { PairErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** Two models cannot work together, or not by the handover that was asked for. */
export class PairError extends OverfillError {
  override readonly name = "PairError";
  declare readonly code: PairErrorCode;

  constructor(code: PairErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is PairError {
    return hasMark(error, "PairError");
  }

  static {
    markClass(PairError.prototype, "PairError");
  }
}
