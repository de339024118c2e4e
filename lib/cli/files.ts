/** Files that the command line itself reads and writes; their failures are told as the library tells its own. */

import { getSystemErrorMap } from "node:util";

/** A file could not be read or written; has the code that the library has for it. */
export class FileFault extends Error {
  override readonly name = "FileFault";
  readonly code: "ERR_FILE_READ_FAILED" | "ERR_FILE_WRITE_FAILED";

  constructor(path: string, verb: "read" | "written", cause: unknown) {
    const fault = verb === "read" && isMissing(cause) ? "does not exist" : `cannot be ${verb}: ${reasonOf(cause)}`;
    super(`${path} ${fault}`, { cause });
    this.code = verb === "read" ? "ERR_FILE_READ_FAILED" : "ERR_FILE_WRITE_FAILED";
  }
}

const isMissing = (cause: unknown) => (cause as NodeJS.ErrnoException).code === "ENOENT";

function reasonOf(cause: unknown): string {
  const { errno, message } = cause as NodeJS.ErrnoException;
  const [, words = message] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}
