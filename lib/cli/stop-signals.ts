/** Ctrl-C and SIGTERM as an AbortSignal. */

import { exitCodes, QuietExit } from "./exit.js";

export interface StopSignals {
  /** Aborted by the first of them; its reason is the {@link QuietExit} to leave with. */
  readonly signal: AbortSignal;
  /** Gives the signals back to Node. */
  release(): void;
}

/** Listens until `release`. The second signal ends the process at once, whatever runs. */
export function listenForStop(): StopSignals {
  const controller = new AbortController();
  const stop = (name: "SIGINT" | "SIGTERM") => {
    if (!controller.signal.aborted) return controller.abort(new QuietExit(exitCodes[name]));
    release();
    // By the signal itself: `process.exit` would wait for the engine's thread.
    process.kill(process.pid, name);
  };
  const release = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return { signal: controller.signal, release };
}
