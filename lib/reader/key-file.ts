/** The file with the key to a prefill server. */

import { readFileSync } from "node:fs";
import { createError } from "../errors/create-error.js";
import { unreadable } from "../internal/file-faults.js";

/** More is no file of a key. */
const mostBytes = 64 * 2 ** 10;

/** Throws ERR_FILE_READ_FAILED, and ERR_REMOTE_KEY_INVALID for a file that has not one key. */
export function readKeyFile(path: string): string {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (cause) {
    throw createError("ERR_FILE_READ_FAILED", unreadable(path, cause), { path }, cause);
  }
  // As a server reads the file of its keys.
  const lines = content.length > mostBytes ? [] : content.toString("utf8").split("\n");
  const keys = lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  const [key, ...others] = keys;
  if (key === undefined) throw createError("ERR_REMOTE_KEY_INVALID", `${path} has no key`, { path });
  if (others.length > 0)
    throw createError("ERR_REMOTE_KEY_INVALID", `${path} has ${keys.length} keys: expected the one to ask with`, {
      path,
    });
  // It goes into a header.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw createError("ERR_REMOTE_KEY_INVALID", `the key in ${path} has characters that no key has`, { path });
  return key;
}
