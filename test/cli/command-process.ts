/** Runs the built command line as a child process. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface CommandOptions {
  /**
   * What comes through stdin: a text and its end, a pipe that stays open and silent, or nothing at all.
   * @default nothing
   */
  readonly stdin?: string | "silent" | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  /** The signal that ended the process, if one did. */
  readonly signal: string | null;
}

/** Starts `overfill ...args`; the caller reads its streams. */
export function startCommand(args: readonly string[], { stdin, env }: CommandOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  // A child that ends before it has read everything breaks the pipe.
  child.stdin?.on("error", () => {});
  if (stdin !== undefined && stdin !== "silent") child.stdin?.end(stdin);
  return child;
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
