/**
 * One call of {@link makePair} at a time works in a folder. The lock is the system's, on the file `lock`: it goes with the
 * process that holds it, however that ends, so there is none to take over by hand. `lock.json` has the holder's process for
 * whoever comes meanwhile. On a file system without locks everybody gets one.
 */

import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createError } from "../errors/create-error.js";
import type { NativeFileLock } from "../internal/binding-types.js";
import { loadBinding } from "../internal/load-binding.js";
import { isRunning } from "../internal/running-process.js";
import { put, writing } from "./step-book.js";

const looks = 50;
const lookEveryMs = 20;

/** Rejects with ERR_PAIR_FOLDER_BUSY and ERR_FILE_WRITE_FAILED. @param work the folder's own, where the work is done */
export async function lockFolder(folder: string, work: string): Promise<AsyncDisposable> {
  const path = join(work, "lock");
  const note = join(work, "lock.json");
  await writing(path, () => writeFile(path, "", { flag: "a" }));
  const { takeFileLock } = loadBinding();
  for (let look = 0; look < looks; look++) {
    const lock = takeFileLock(path);
    if (lock !== "busy") return hold(lock, note);
    const pid = await readHolder(note);
    if (pid !== undefined && isRunning(pid)) throw busy(folder, pid);
    // Its holder has not written the note yet, beside which lies that of one that was killed, or is about to let go.
    await delay(lookEveryMs);
  }
  throw busy(folder, undefined);
}

async function hold(lock: NativeFileLock | "unknown", note: string): Promise<AsyncDisposable> {
  const release = () => {
    if (typeof lock !== "string") loadBinding().releaseFileLock(lock);
  };
  try {
    await put(note, JSON.stringify({ pid: process.pid }));
  } catch (error) {
    release();
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(note, { force: true }).catch(() => {});
      release();
    },
  };
}

function busy(folder: string, pid: number | undefined): Error {
  const who = pid === undefined ? "another process" : pid === process.pid ? "this process" : `process ${pid}`;
  const details = { path: folder, ...(pid !== undefined && { pid }) };
  return createError("ERR_PAIR_FOLDER_BUSY", `${who} is making a pair in ${folder}`, details);
}

async function readHolder(note: string): Promise<number | undefined> {
  try {
    const { pid } = JSON.parse(await readFile(note, "utf8")) as { readonly pid?: unknown };
    return Number.isInteger(pid) ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}
