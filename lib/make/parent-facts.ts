/** What a model's file says of itself that its child has to say, too: its licence; and what tells it from another file. */

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { createError } from "../errors/create-error.js";
import { unreadable } from "../internal/file-faults.js";

/** What a pair's card says of the full model. */
export interface ParentFacts {
  /** Of size, beginning and end: reading all of a model would take as long as loading it. */
  readonly mark: string;
  /** `general.*` texts of the file's metadata by their names, such as `license`. */
  readonly general: Readonly<Record<string, string>>;
}

/** In a file's beginning are its metadata; tokenizers, which may be long, come behind what is looked for. */
const lookedAtBytes = 2 ** 20;

function codeOf(error: unknown) {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return "ERR_MODEL_NOT_FOUND";
  return code === "EISDIR" ? "ERR_MODEL_NOT_A_FILE" : "ERR_FILE_READ_FAILED";
}

/** Rejects with ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE or ERR_FILE_READ_FAILED. */
export async function readParentFacts(path: string): Promise<ParentFacts> {
  try {
    const { mark, head } = await lookAt(path);
    return { mark, general: generalTexts(head) };
  } catch (error) {
    throw createError(codeOf(error), unreadable(path, error), { path }, error);
  }
}

/** What tells another file from this one. Rejects with ERR_FILE_READ_FAILED. */
export async function markOfFile(path: string): Promise<string> {
  try {
    return (await lookAt(path)).mark;
  } catch (error) {
    throw createError("ERR_FILE_READ_FAILED", unreadable(path, error), { path }, error);
  }
}

async function lookAt(path: string): Promise<{ readonly mark: string; readonly head: Buffer }> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.min(size, lookedAtBytes);
    const head = Buffer.alloc(length);
    const tail = Buffer.alloc(length);
    await file.read(head, 0, length, 0);
    await file.read(tail, 0, length, size - length);
    return { mark: createHash("sha256").update(String(size)).update(head).update(tail).digest("hex"), head };
  } finally {
    await file.close();
  }
}

/** GGUF's types of values by their numbers: bytes of those that have a fixed size. */
const bytesOfTypes: Readonly<Record<number, number>> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 },
};
const stringType = 8;

/**
 * The `general.*` texts in the beginning of a GGUF file: `GGUF`, version, counts of tensors and of keys, then each key with
 * the type of its value and the value. Ends at the first array, and where the bytes end.
 */
export function generalTexts(head: Buffer): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  if (head.length < 24 || head.toString("latin1", 0, 4) !== "GGUF") return texts;
  const nKeys = Number(head.readBigUInt64LE(16));
  let at = 24;
  const has = (length: number) => at + length <= head.length;
  const string = (): string | undefined => {
    if (!has(8)) return undefined;
    const length = Number(head.readBigUInt64LE(at));
    at += 8;
    if (!has(length)) return undefined;
    const text = head.toString("utf8", at, at + length);
    at += length;
    return text;
  };
  for (let i = 0; i < nKeys; i++) {
    const key = string();
    if (key === undefined || !has(4)) break;
    const type = head.readUInt32LE(at);
    at += 4;
    if (type === stringType) {
      const value = string();
      if (value === undefined) break;
      if (key.startsWith("general.")) texts[key.slice("general.".length)] = value;
    } else {
      const bytes = bytesOfTypes[type];
      if (bytes === undefined) break;
      at += bytes;
    }
  }
  return texts;
}
