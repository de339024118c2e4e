/**
 * One download of a file at a time: whoever comes second waits, and finds the file in its place. The lock is a file with the
 * process in it, which is touched while it is held. One whose process has ended, or that nobody touches, is taken over.
 */

import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { isRunning } from "../../internal/running-process.js";

const touchEveryMs = 5000;
const abandonedAfterMs = 60_000;
const lookEveryMs = 300;

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Called once, if somebody else holds it. */
  readonly onWait?: () => void;
}

/**
 * Waits for the lock at `path`. Rejects with the signal's reason, or with the system's error.
 *
 * Two that find the same abandoned lock at the same moment may both get it. That costs the time of one of them: both write
 * the same bytes to the same places, and what they wrote is checked before it gets its name.
 */
export async function lock(path: string, { signal, onWait }: LockOptions): Promise<AsyncDisposable> {
  for (let waits = 0; ; waits++) {
    signal.throwIfAborted();
    if (await take(path)) return hold(path);
    if (await isAbandoned(path)) {
      await rm(path, { force: true });
      continue;
    }
    if (waits === 0) onWait?.();
    await delay(lookEveryMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

const mine = () => JSON.stringify({ pid: process.pid, host: hostname() });

async function take(path: string): Promise<boolean> {
  try {
    await using file = await open(path, "wx");
    await file.writeFile(mine());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function hold(path: string): AsyncDisposable {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, touchEveryMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await rm(path, { force: true });
    },
  };
}

async function isAbandoned(path: string): Promise<boolean> {
  const [text, facts] = await Promise.all([
    readFile(path, "utf8").catch(() => undefined),
    stat(path).catch(() => undefined),
  ]);
  // It has gone: the next look takes it.
  if (text === undefined || !facts) return false;
  if (Date.now() - facts.mtimeMs > abandonedAfterMs) return true;
  return holderOf(text)?.isGone ?? false;
}

function holderOf(text: string): { readonly isGone: boolean } | undefined {
  try {
    const { pid, host } = JSON.parse(text) as { readonly pid?: unknown; readonly host?: unknown };
    if (host !== hostname() || !Number.isInteger(pid)) return undefined;
    return { isGone: !isRunning(Number(pid)) };
  } catch {
    // It is being written.
    return undefined;
  }
}
