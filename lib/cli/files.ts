/** Files that the command line itself reads and writes; their failures are told as the library tells its own. */

import { systemReason, unreadable } from "../internal/file-faults.js";

/** A file could not be read or written; has the code that the library has for it. */
export class FileFault extends Error {
  override readonly name = "FileFault";
  readonly code: "ERR_FILE_READ_FAILED" | "ERR_FILE_WRITE_FAILED";

  constructor(path: string, verb: "read" | "written", cause: unknown) {
    super(verb === "read" ? unreadable(path, cause) : `${path} cannot be written: ${systemReason(cause)}`, { cause });
    this.code = verb === "read" ? "ERR_FILE_READ_FAILED" : "ERR_FILE_WRITE_FAILED";
  }
}
