/** What callers may ask of saving a session and of restoring one. */

import type { SessionOptions } from "./place-options.js";

/** Options of {@link Session.save}. */
export interface SaveOptions {
  /** Ends the work; the call then rejects with `signal.reason`, and a file that had the name is as it was. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Pair.restore}: of the call for the session's place. `signal` ends the reading as well. */
export interface RestoreOptions extends Pick<SessionOptions, "priority" | "signal"> {}
