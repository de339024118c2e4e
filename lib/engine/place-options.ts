/** What callers may ask about the places of sessions: how many may wait for one, how long, and in which order. */

import type { CacheKeyOption } from "./prefix-options.js";
import type { WriterOption } from "./writer-options.js";

/** How sessions share the memory of their KV cache. */
export interface PoolOptions {
  /**
   * Tokens of KV cache for all sessions together: 1 or more, raised to `contextSize` and rounded up to a multiple of 256. The
   * sessions then share one pool, each taking what it holds, up to `contextSize`; a fork shares its origin's tokens. Where the
   * pool is full, the state of idle sessions is put aside in ordinary memory, the longest unused first, and comes back with
   * their next call. Where running ones do not fit together, those that came later wait; none fails. Where a session's
   * tokens lie in the pool changes the last bits of logits, also with `deterministic`. Only ordinary attention, recurrent states
   * and both together can be shared so; models with a sliding window, a sparse or a compressed memory refuse it with
   * ERR_INVALID_ARGUMENT.
   * @default none: each session has `contextSize` tokens to itself
   */
  readonly cacheTokens?: number | undefined;
}

/** What becomes of calls for one more session than a pair has places for. */
export interface QueueOptions {
  /**
   * How many may wait for a place at a time: 0 to 65,536. One more fails with ERR_QUEUE_FULL.
   * @default 64
   */
  readonly maxWaiting?: number | undefined;
  /**
   * Milliseconds that each may wait, 1 to 2,147,483,647; it then fails with ERR_QUEUE_TIMEOUT. Of a pair in a host also the
   * time in which the host is started again.
   * @default as long as it takes
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of {@link Pair.createSession}. */
export interface SessionOptions extends WriterOption, CacheKeyOption {
  /**
   * Of the calls that wait for a session's place, the highest priority goes first, and of one priority the first that came.
   * Whoever was passed eight times by later ones goes next. A whole number of 32 bits.
   * @default 0
   */
  readonly priority?: number | undefined;
  /** Ends the wait; the call then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Session.fork}: of the call for the new session's place. */
export interface ForkOptions extends Pick<SessionOptions, "priority" | "signal"> {}
