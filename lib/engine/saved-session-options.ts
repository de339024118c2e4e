/** What callers may ask of saving a session and of restoring one. */

import type { SessionOptions } from "./place-options.js";

/** Options of {@link Session.save}. */
export interface SaveOptions {
  /**
   * `"q8_0"`: K and V of a cache in f16 or bf16 take half the space, in f32 a quarter. Each value is rounded to 8 bits, with a
   * scale for every 32, so that a restored session goes on nearly as the saved one would have, and not to the bit: as after
   * `cacheTypeK` and `cacheTypeV` of q8_0. Only for ordinary attention, with or without a sliding window, in one of these
   * types; a session with another memory, such as a recurrent state, or a quantised cache, is refused with
   * ERR_INVALID_ARGUMENT.
   * @default nothing: the values as they are
   */
  readonly compress?: "q8_0" | undefined;
  /** Ends the work; the call then rejects with `signal.reason`, and a file that had the name is as it was. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Pair.restore}: of the call for the session's place. `signal` ends the reading as well. */
export interface RestoreOptions extends Pick<SessionOptions, "priority" | "signal"> {}
