import type { FileErrorCode } from "./error-code.js";
import { type ErrorDetails, hasMark, markClass, OverfillError } from "./overfill-error.js";

/** A file that is no model could not be read or written. `details.path` names it. */
export class FileError extends OverfillError {
  override readonly name = "FileError";
  declare readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string, details?: ErrorDetails, cause?: unknown) {
    super(code, message, details, cause);
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static override isInstance(error: unknown): error is FileError {
    return hasMark(error, "FileError");
  }

  static {
    markClass(FileError.prototype, "FileError");
  }
}
