/** Runs a plain JavaScript program on the built package in a process that has loaded nothing else. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The program's answer, JSON on its standard output. Throws if the package is not built. */
export async function runFresh<Answer>(program: string, ...args: readonly string[]): Promise<Answer> {
  if (!existsSync(new URL("../../dist/index.js", import.meta.url)))
    throw new Error("this is measured on the built package: run `npm run build` first");
  const path = fileURLToPath(new URL(`../fresh/${program}`, import.meta.url));
  // None of the benchmark's own options, which would load more than a user does.
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const { stdout } = await run(process.execPath, [path, ...args], { env });
  return JSON.parse(stdout) as Answer;
}
