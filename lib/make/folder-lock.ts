/**
 * One call of {@link makePair} at a time works in a folder. The lock is the system's, on the file `lock`: it goes with the
 * process that holds it, however that ends, so there is none to take over by hand. `lock.json` has the holder's process for
 * whoever comes meanwhile. On a file system without locks everybody gets one.
 */

import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createError } from "../errors/create-error.js";
import { loadBinding } from "../internal/load-binding.js";
import { put, writing } from "./step-book.js";

/** Rejects with ERR_PAIR_FOLDER_BUSY and ERR_FILE_WRITE_FAILED. @param work the folder's own, where the work is done */
export async function lockFolder(folder: string, work: string): Promise<AsyncDisposable> {
  const path = join(work, "lock");
  const note = join(work, "lock.json");
  await writing(path, () => writeFile(path, "", { flag: "a" }));
  const { takeFileLock, releaseFileLock } = loadBinding();
  const lock = takeFileLock(path);
  if (lock === "busy") throw await busy(folder, note);
  const release = () => {
    if (lock !== "unknown") releaseFileLock(lock);
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

async function busy(folder: string, note: string): Promise<Error> {
  const pid = await holderOf(note);
  const who = pid === undefined ? "another process" : pid === process.pid ? "this process" : `process ${pid}`;
  const details = { path: folder, ...(pid !== undefined && { pid }) };
  return createError("ERR_PAIR_FOLDER_BUSY", `${who} is making a pair in ${folder}`, details);
}

const looks = 50;
const lookEveryMs = 20;

/** Undefined where it does not say so in time: between the lock and the note stands that of a holder that was killed. */
async function holderOf(note: string): Promise<number | undefined> {
  for (let look = 0; look < looks; look++) {
    const pid = await readHolder(note);
    if (pid !== undefined && isRunning(pid)) return pid;
    await delay(lookEveryMs);
  }
  return undefined;
}

async function readHolder(note: string): Promise<number | undefined> {
  try {
    const { pid } = JSON.parse(await readFile(note, "utf8")) as { readonly pid?: unknown };
    return Number.isInteger(pid) ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process runs, too.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
