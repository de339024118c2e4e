/** A session on a place of its own: given at once where the pair has one free, else when the call's turn comes. */

import { createError } from "../errors/create-error.js";
import { abortable, isAborted } from "../internal/abortable.js";
import type { NativePair, NativeSession } from "../internal/binding-types.js";

/** Who waits, and for how long. */
export interface PlaceRequest {
  /** Who writes where nobody is named, as the binding takes it. */
  readonly writer: number;
  /** Whose prompts it may find again; empty: those without a key. */
  readonly cacheKey: string;
  readonly priority: number;
  readonly signal?: AbortSignal | undefined;
  /** From the pair's options. */
  readonly timeoutMs: number | undefined;
}

/**
 * Asks for the place before it returns, so that calls come in their order. Rejects with ERR_QUEUE_FULL, ERR_QUEUE_TIMEOUT,
 * ERR_DISPOSED or `signal.reason`; the place is then another's.
 */
export async function openOnPlace(
  pair: NativePair,
  { priority, signal, writer, cacheKey, timeoutMs }: PlaceRequest,
): Promise<NativeSession> {
  signal?.throwIfAborted();
  const isBounded = signal !== undefined || timeoutMs !== undefined;
  const { session, ticket } = pair.createSession(priority, isBounded, writer, cacheKey);
  let timedOut = false;
  const leave = () => pair.leaveQueue(ticket);
  const timer =
    timeoutMs === undefined || ticket === 0
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          leave();
        }, timeoutMs);
  const opened = session.catch((error: unknown) => {
    if (!timedOut || !isAborted(error)) throw error;
    const message = `no session's place became free within ${timeoutMs} ms (queue.timeoutMs)`;
    throw createError("ERR_QUEUE_TIMEOUT", message, { timeoutMs: timeoutMs ?? 0 });
  });
  try {
    const native = await abortable(signal, leave, () => opened);
    if (!signal?.aborted) return native;
    // The place had been given already when the signal fired.
    await native.dispose();
    throw signal.reason;
  } finally {
    clearTimeout(timer);
  }
}

/** As {@link openOnPlace} where a place is free. Nothing if none is; nobody is passed, and nobody waits. */
export async function openIfFree(pair: NativePair, writer: number): Promise<NativeSession | undefined> {
  try {
    const { session, ticket } = pair.createSession(0, true, writer, "");
    if (ticket !== 0) pair.leaveQueue(ticket);
    return await session;
  } catch (error) {
    if (isAborted(error) || (error as { code?: unknown }).code === "ERR_QUEUE_FULL") return undefined;
    throw error;
  }
}
