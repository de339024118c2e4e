/** Starts the process of a host, or takes a port that leads to one. */

import { type ChildProcess, fork, type ForkOptions as ProcessOptions } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { ErrorDetails } from "../errors/types.js";
import { type HostChannel, type HostPort, portChannel } from "./channel.js";
import { LastLines } from "./last-lines.js";
import type { UtilityProcessModule } from "./options.js";
import type { CheckedHostOptions } from "./options-validation.js";
import type { FromHost, ToHost } from "./protocol.js";

export type AppChannel = HostChannel<ToHost, FromHost>;

type Ending = ErrorDetails<"ERR_HOST_CRASHED">;

/** A host that was started. */
export interface LaunchedHost {
  readonly channel: AppChannel;
  readonly pid: number | undefined;
  /** Whether the host is a child of this process, and knows it as its parent. */
  readonly isChild: boolean;
  /** Settles when it is gone, with how it ended. */
  readonly ended: Promise<Ending>;
  /** Ends it by force. */
  kill(): void;
  /** Its channel closed: a process that does not end by itself then is ended. */
  lose(): void;
  /** Lets it end in peace. */
  leave(): void;
  /** The memory that it takes, where the system tells. */
  residentBytes?(): number | undefined;
}

export type Launcher = () => LaunchedHost;

/** How long a process whose channel is closed may take to end, in milliseconds. */
const lastMs = 2_000;

const isSource = import.meta.url.endsWith(".ts");
const program = fileURLToPath(new URL(isSource ? "./child.ts" : "./child.js", import.meta.url));

/** What says how modules are found and how much memory they may take; not what is to be run, nor a debugger's port. */
const inherited =
  /^(--(import|require|loader|experimental-loader|conditions|max-old-space-size|preserve-symlinks(-main)?|no-warnings)|-r|-C)$/;

/** The arguments of this process's Node that its host is given too. */
export function inheritedArguments(given: readonly string[] = process.execArgv): string[] {
  const taken: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const argument = given[i] ?? "";
    const [name = "", ...value] = argument.split("=");
    if (!inherited.test(name)) continue;
    taken.push(argument);
    // The value may be an argument of its own.
    const next = given[i + 1];
    if (value.length === 0 && next !== undefined && !next.startsWith("-")) taken.push(given[++i] ?? "");
  }
  return taken;
}

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  // What llama.cpp said last is told when the host crashes.
  OVERFILL_LOG: process.env.OVERFILL_LOG ?? "info",
  // An abort's backtrace would start a debugger, which takes long and may wait for somebody.
  GGML_NO_BACKTRACE: process.env.GGML_NO_BACKTRACE ?? "1",
});

/** The launcher for the options: a port, Electron's utility process, or a forked one. */
export function chooseLauncher(options: CheckedHostOptions): Launcher {
  const { port, utilityProcess } = options;
  if (port !== undefined) return () => launchPort(port);
  const electron = utilityProcess ?? ownUtilityProcess();
  const cwd = process.cwd();
  const launch = electron ? () => launchUtility(electron, cwd, options) : () => launchFork(cwd, options);
  return () => {
    try {
      return launch();
    } catch (error) {
      // Some reasons of the system are thrown at once (ENOMEM), others told later (EAGAIN).
      return notLaunched(error as Error);
    }
  };
}

const startEnding = ({ message }: Error): Ending => ({ reason: "start", log: [message] });

/** A host that ended before it began. */
function notLaunched(error: Error): LaunchedHost {
  const nothing = () => {};
  return {
    channel: { send: nothing, listen: nothing, hold: nothing, close: nothing },
    ...{ pid: undefined, isChild: false, ended: Promise.resolve(startEnding(error)) },
    ...{ kill: nothing, lose: nothing, leave: nothing },
  };
}

/** Electron's, in its main process. */
function ownUtilityProcess(): UtilityProcessModule | undefined {
  const { versions, type } = process as typeof process & { readonly type?: string };
  if (versions.electron === undefined || type !== "browser") return undefined;
  const electron = createRequire(import.meta.url)("electron") as { readonly utilityProcess: UtilityProcessModule };
  return electron.utilityProcess;
}

function launchFork(cwd: string, options: CheckedHostOptions): LaunchedHost {
  const settings: ProcessOptions = {
    cwd,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: inheritedArguments(),
    env: environment(),
    windowsHide: true,
  } as ProcessOptions;
  const child = fork(program, [], settings);
  const words = new LastLines(child.stderr ?? undefined, passesLogOn());
  lowerPriority(child.pid, options);
  const ended = new Promise<Ending>((resolve) => {
    // With the last words, unless a process of its own keeps their pipe open. The event "close" does not come where this
    // side has disconnected.
    child.once("exit", (exitCode, signal) => {
      const end = () => {
        clearTimeout(late);
        resolve(endingOf(exitCode, signal, words.lines));
      };
      const late = setTimeout(end, lastMs);
      words.ended.then(end);
    });
    child.once("error", (error) =>
      resolve(child.pid === undefined ? startEnding(error) : { reason: "exit", log: [error.message] }),
    );
  });
  const kill = () => {
    child.kill("SIGKILL");
  };
  const killLater = () => {
    setTimeout(kill, lastMs).unref();
  };
  return {
    channel: forkChannel(child),
    pid: child.pid,
    isChild: true,
    ended,
    kill,
    lose: killLater,
    leave: () => {
      child.ref();
      words.hold();
      killLater();
    },
    residentBytes: () => residentBytesOf(child.pid),
  };
}

function forkChannel(child: ChildProcess): AppChannel {
  return {
    send: (message) => {
      // A host that has gone is told by its end.
      if (child.connected) child.send(message, () => {});
    },
    listen(onMessage, onClose) {
      child.on("message", (message) => onMessage(message as FromHost));
      child.once("disconnect", onClose);
    },
    hold(holds) {
      if (holds) child.channel?.ref();
      else child.channel?.unref();
      child[holds ? "ref" : "unref"]();
    },
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
}

function launchUtility(electron: UtilityProcessModule, cwd: string, options: CheckedHostOptions): LaunchedHost {
  const host = electron.fork(program, [], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
    execArgv: inheritedArguments(),
    env: environment(),
    serviceName: "overfill",
  });
  const words = new LastLines(host.stderr ?? undefined, passesLogOn());
  host.once("spawn", () => lowerPriority(host.pid, options));
  // Electron tells of a V8 that gives up; its end follows.
  host.on("error", (type) => words.lines.push(`V8: ${String(type)}`));
  const ended = new Promise<Ending>((resolve) => {
    // What was written last may come after the end.
    host.once("exit", (exitCode) => setTimeout(() => resolve(endingOf(Number(exitCode), null, words.lines)), 50));
  });
  const kill = () => {
    try {
      if (host.pid === undefined) host.kill();
      else process.kill(host.pid, "SIGKILL");
    } catch {
      // It has ended, which is about to be told.
    }
  };
  return {
    channel: portChannel<ToHost, FromHost>({
      postMessage: (message) => host.postMessage(message),
      on: (event, listener) => host.on(event, listener),
    }),
    get pid() {
      return host.pid;
    },
    isChild: false,
    ended,
    kill,
    lose: () => {},
    leave: () => {
      host.kill();
    },
    residentBytes: () => residentBytesOf(host.pid),
  };
}

function launchPort(port: HostPort): LaunchedHost {
  const channel = portChannel<ToHost, FromHost>(port);
  let end: (ending: Ending) => void = () => {};
  const ended = new Promise<Ending>((resolve) => {
    end = resolve;
  });
  const close = () => {
    channel.close();
    end({ reason: "closed", log: [] });
  };
  return { channel, pid: undefined, isChild: false, ended, kill: close, lose: close, leave: close };
}

function endingOf(exitCode: number | null, signal: NodeJS.Signals | null, log: readonly string[]): Ending {
  if (signal !== null) return { reason: "signal", signal, log };
  return { reason: "exit", ...(exitCode !== null && { exitCode }), log };
}

/** Who asked for llama.cpp's log gets the host's, too. */
const passesLogOn = () => process.env.OVERFILL_LOG !== undefined;

/** Best effort: a system that refuses leaves the priority as it is, and one without such a file has no such thing. */
function lowerPriority(pid: number | undefined, { nice }: CheckedHostOptions): void {
  if (pid === undefined || nice === 0) return;
  try {
    setPriority(pid, nice);
  } catch {
    // Where this process itself is nicer than that, the system may refuse.
  }
}

/** From Linux's `/proc`; elsewhere the host tells it itself. */
function residentBytesOf(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== "linux") return undefined;
  try {
    const [, kibibytes] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}
