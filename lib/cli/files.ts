/** Files that the command line itself reads and writes; their failures are told as the library tells its own. */

import { constants } from "node:fs";
import { access, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
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

/** Refuses a file in a folder that cannot be written to: now, not after hours of work. */
export async function checkFolderOf(file: string): Promise<void> {
  await access(dirname(file), constants.W_OK).catch((error) => {
    throw new FileFault(file, "written", error);
  });
}

export async function writeText(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error) => {
    throw new FileFault(file, "written", error);
  });
}
