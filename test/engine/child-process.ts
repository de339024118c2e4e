/** Programs of `children/`, run in processes of their own on the built package. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const built = join(import.meta.dirname, "..", "..", "dist", "index.js");

export interface ChildResult {
  /** The exit code, or null after a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, or to `timeoutMs`, after which it is killed (`signal` is then `SIGKILL`). Throws an Error if the
 * package was not built.
 */
export async function runChild(
  program: string,
  {
    args = [],
    input = "",
    execArgv = [],
    timeoutMs = 120_000,
  }: {
    readonly args?: readonly string[];
    readonly input?: string;
    readonly execArgv?: readonly string[];
    readonly timeoutMs?: number;
  } = {},
): Promise<ChildResult> {
  if (!existsSync(built)) throw new Error(`${built} is missing: run "npm run build:ts"`);
  const child = spawn(process.execPath, [...execArgv, join(import.meta.dirname, "children", program), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  child.stdin.on("error", () => {}); // a program that ends without reading
  child.stdin.end(input);
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)]);
  return { code, signal, stdout, stderr };
}

function ended(child: ChildProcess): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve([code, signal]));
  });
}
