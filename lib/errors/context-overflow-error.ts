import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** The tokens do not fit into the context. What the session held before the call is still there. */
export class ContextOverflowError extends OverfillError {
  override readonly name = "ContextOverflowError";
  declare readonly code: "ERR_CONTEXT_OVERFLOW";

  constructor(message: string, details?: ErrorDetails, cause?: unknown) {
    super("ERR_CONTEXT_OVERFLOW", message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is ContextOverflowError {
    return hasMark(error, "ContextOverflowError");
  }

  static {
    markClass(ContextOverflowError.prototype, "ContextOverflowError");
  }
}
