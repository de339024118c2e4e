import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** The object was disposed before the call, or while it ran. */
export class DisposedError extends OverfillError {
  override readonly name = "DisposedError";
  declare readonly code: "ERR_DISPOSED";

  constructor(message: string, details?: ErrorDetails, cause?: unknown) {
    super("ERR_DISPOSED", message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is DisposedError {
    return hasMark(error, "DisposedError");
  }

  static {
    markClass(DisposedError.prototype, "DisposedError");
  }
}
