/** Options of a pair in a host, beside those of the pair. */

import type { LogLevel, LogLine } from "../engine/on-log.js";
import type { OverfillError } from "../errors/index.js";
import type { HostPort } from "./channel.js";

export type { HostPort } from "./channel.js";

/** What this package uses of Electron's `utilityProcess`. */
export interface UtilityProcessModule {
  fork(
    modulePath: string,
    args: string[],
    options: {
      readonly cwd: string;
      readonly stdio: "pipe";
      readonly execArgv: string[];
      readonly env: Readonly<Record<string, string | undefined>>;
      readonly serviceName: string;
    },
  ): UtilityProcessHandle;
}

/** What this package uses of Electron's `UtilityProcess`. */
export interface UtilityProcessHandle {
  readonly pid: number | undefined;
  readonly stderr: { on(event: string, listener: (piece: string) => void): unknown } | null;
  postMessage(message: unknown): void;
  kill(): boolean;
  on(event: string, listener: (value: unknown) => void): unknown;
  once(event: string, listener: (value: unknown) => void): unknown;
}

/** How a host is run, watched and started again. */
export interface HostOptions {
  /**
   * What follows a crash: nothing, so that every further call rejects, or a new host with the same pair. Of what ran, each
   * call rejects with ERR_HOST_CRASHED in either case. Then chats go on, and read their conversation again; sessions go on
   * only where they have a checkpoint.
   * @default "on-crash", and "never" behind a `port`
   */
  readonly restart?: "never" | "on-crash" | undefined;
  /** So many crashes within `restartWindowMs` are followed by a restart; one more is a loop. 0 to 1000. @default 3 */
  readonly maxRestarts?: number | undefined;
  /** Milliseconds, from 1 on. @default 60000 */
  readonly restartWindowMs?: number | undefined;
  /**
   * A folder in which every session is saved when a turn has ended, and from which it comes back after a crash. The files
   * go with their sessions; what an app that crashed itself has left there is its own to remove. A session is busy while it
   * is saved, and the next call waits for it. @default none
   */
  readonly checkpointDirectory?: string | URL | undefined;
  /**
   * A host that computes no batch for so long, while it ought to, or whose JavaScript thread does not answer, is taken for hung and is ended: a crash. It has to
   * be longer than a batch of the largest model may take. Milliseconds, from 10 on; Infinity: never. @default 600000
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * A host that takes more resident memory, weights included, is ended: a crash. Looked at twice a second. From 1 on.
   * @default no limit
   */
  readonly maxMemoryBytes?: number | undefined;
  /** The host's niceness, as `os.setPriority` takes it: 0 to 19, of which 19 yields to everything. @default 0 */
  readonly nice?: number | undefined;
  /** Called after a crash, before what waits for the host fails. What it throws is an uncaught exception. */
  readonly onCrash?: ((error: OverfillError) => void) | undefined;
  /** Called when a new host has loaded the pair. What it throws is an uncaught exception. */
  readonly onRestart?: (() => void) | undefined;
  /** Called with what llama.cpp logs in the host, from `logLevel` on. */
  readonly onLog?: ((line: LogLine) => void) | undefined;
  /** @default "warn" */
  readonly logLevel?: LogLevel | undefined;
  /** Electron's `utilityProcess`, or what is like it. @default Electron's own in its main process, elsewhere none: `child_process.fork` */
  readonly utilityProcess?: UtilityProcessModule | undefined;
  /**
   * A port to a host that runs already, by `serveHost`: there is no process to be watched or started again then, and the end
   * of the port is a crash. @default a process of its own
   */
  readonly port?: HostPort | undefined;
}

/** What can be told of a host. */
export interface HostInfo {
  /** Undefined between two processes, and for a host at a port. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
}
