/** Ctrl-C, SIGTERM and a terminal that is closed, as an AbortSignal. */

import { exitCodes, QuietExit } from "./exit.js";

export interface StopSignals {
  /** Aborted by the first of them; its reason is the {@link QuietExit} to leave with. */
  readonly signal: AbortSignal;
  /** What a Ctrl-C does, for keys that a line editor reads: they make no signal. */
  interrupt(): void;
  /** Gives the signals back to Node. */
  release(): void;
}

export interface StopOptions {
  /**
   * Milliseconds that the work has to stop in. Then the signal ends the process, so that the first Ctrl-C always does,
   * whatever the work waits for.
   * @default 5000
   */
  readonly graceMs?: number;
  /**
   * Is asked at a Ctrl-C first. True: it stopped something, and the command goes on.
   * @default the command is stopped
   */
  readonly onInterrupt?: () => boolean;
}

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Milliseconds for work that writes a file: it should find the time to remove what it has begun. */
export const graceOfFiles = 30_000;

/** Listens until `release`. The second signal ends the process at once, whatever runs. */
export function listenForStop({ graceMs = 5000, onInterrupt = () => false }: StopOptions = {}): StopSignals {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = (name: (typeof names)[number]) => {
    release();
    // By the signal itself: `process.exit` would wait for the engine's thread.
    process.kill(process.pid, name);
  };
  const stop = (name: (typeof names)[number]) => {
    if (controller.signal.aborted) return end(name);
    if (name === "SIGINT" && onInterrupt()) return;
    // Before the abort, whose listeners may take their time.
    if (Number.isFinite(graceMs)) timer = setTimeout(end, graceMs, name).unref();
    controller.abort(new QuietExit(exitCodes[name]));
  };
  const release = () => {
    clearTimeout(timer);
    for (const name of names) process.off(name, stop);
  };
  for (const name of names) process.on(name, stop);
  return { signal: controller.signal, interrupt: () => stop("SIGINT"), release };
}
