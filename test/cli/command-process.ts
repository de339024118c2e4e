/** Runs the built command line as a child process. */

import { type ChildProcess, spawn } from "node:child_process";
import { on, once } from "node:events";
import { constants, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The built command line. */
export const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const observer = new URL("./observed-command.mjs", import.meta.url).href;

export interface CommandOptions {
  /**
   * What comes through stdin: a text and its end, a pipe that stays open and silent, or nothing at all.
   * @default nothing
   */
  readonly stdin?: string | "silent" | undefined;
  /** A file descriptor to write the answer to. Without one it comes through a pipe. */
  readonly stdout?: number | undefined;
  /** The command line of another installation. @default {@link main} */
  readonly script?: string;
  /** In addition to this process's; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Whether the command tells what it does: see {@link toldBy}. On a "terminal" it also shows its progress on stderr,
   * as a sign that it is at work.
   * @default false
   */
  readonly observed?: boolean | "terminal";
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  /** The signal that ended the process, if one did. */
  readonly signal: string | null;
}

/** Starts `overfill ...args`; the caller reads its streams. */
export function startCommand(args: readonly string[], options: CommandOptions = {}): ChildProcess {
  const { stdin, stdout = "pipe", env, observed = false, script = main } = options;
  const input = stdin === undefined ? "ignore" : "pipe";
  const child = spawn(process.execPath, [...(observed ? ["--import", observer] : []), script, ...args], {
    stdio: observed ? [input, stdout, "pipe", "ipc"] : [input, stdout, "pipe"],
    // As if it were started by its own name, however these tests were.
    env: {
      ...process.env,
      npm_command: undefined,
      ...env,
      ...(observed === "terminal" && { OVERFILL_TEST_TERMINAL: "1" }),
    },
  });
  // A child that ends before it has read everything breaks the pipe.
  child.stdin?.on("error", () => {});
  if (stdin !== undefined && stdin !== "silent") child.stdin?.end(stdin);
  return child;
}

/** Waits until an observed command tells that it listens for Ctrl-C, or that its standard output takes no more. */
export async function toldBy(child: ChildProcess, what: "listens" | "full"): Promise<void> {
  for await (const [message] of on(child, "message", { close: ["exit"] })) if (message === what) return;
  throw new Error(`the command ended before it told "${what}"`);
}

/** Waits until the command has shown its progress, or anything else, on stderr. */
export async function showsProgress(child: ChildProcess): Promise<void> {
  if (!child.stderr) throw new Error("the child has no pipes");
  await once(child.stderr, "readable");
}

/** Waits for the end. The streams must not have been read before. */
export async function finishCommand(child: ChildProcess): Promise<CommandResult> {
  if (!child.stdout || !child.stderr) throw new Error("the child has no pipes");
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  const [stdout, stderr, [exitCode, signal]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { stdout, stderr, exitCode, signal };
}

/** Runs `overfill ...args` to its end. */
export function runCommand(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return finishCommand(startCommand(args, options));
}

/** Waits until somebody has opened a named pipe to read from it. Gives the descriptor to write to. */
export async function untilRead(pipe: string): Promise<number> {
  while (true) {
    try {
      return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      await delay(20);
    }
  }
}
