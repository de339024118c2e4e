import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** An argument is of the wrong kind or out of range. `details` holds `parameter`, `expected` and `actual`. */
export class InvalidArgumentError extends OverfillError {
  override readonly name = "InvalidArgumentError";
  declare readonly code: "ERR_INVALID_ARGUMENT";

  constructor(message: string, details?: ErrorDetails, cause?: unknown) {
    super("ERR_INVALID_ARGUMENT", message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is InvalidArgumentError {
    return hasMark(error, "InvalidArgumentError");
  }

  static {
    markClass(InvalidArgumentError.prototype, "InvalidArgumentError");
  }
}
