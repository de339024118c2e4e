/** Ties an AbortSignal and a progress callback to native work that is stopped by a call and settles a promise. */

import { createError } from "../errors/create-error.js";
import type { NativeJob } from "./binding-types.js";

/** Whether native code ended because it was told to. */
export function isAborted(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null | undefined)?.code === "ERR_ABORTED";
}

/**
 * Runs `work`, stopping it by `abort` when the signal fires. Rejects with the signal's own reason then; with
 * ERR_DISPOSED if the work was stopped by a disposal.
 */
export async function abortable<Result>(
  signal: AbortSignal | undefined,
  abort: () => void,
  work: () => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await work();
  } catch (error) {
    if (!isAborted(error)) throw error;
    signal?.throwIfAborted();
    throw createError("ERR_DISPOSED", "it was disposed while this call ran", {});
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Waits for a native job, and stops it when the signal fires; rejects as {@link abortable} does. */
export async function runJob<Result>(start: () => NativeJob<Result>, signal?: AbortSignal): Promise<Result> {
  signal?.throwIfAborted();
  const job = start();
  return abortable(
    signal,
    () => job.abort(),
    () => job.finished,
  );
}

/**
 * A caller's callback that cannot throw into native code: its first exception stops the work, and `rethrow` then brings
 * it to the caller.
 */
export function guardCallback<Args extends readonly unknown[]>(
  callback: ((...args: Args) => void) | undefined,
  abort: () => void,
): { readonly call: ((...args: Args) => void) | undefined; readonly rethrow: () => void } {
  let thrown: { readonly error: unknown } | undefined;
  return {
    call:
      callback &&
      ((...args) => {
        if (thrown) return;
        try {
          callback(...args);
        } catch (error) {
          thrown = { error };
          abort();
        }
      }),
    rethrow: () => {
      if (thrown) throw thrown.error;
    },
  };
}
