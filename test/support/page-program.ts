/** Programs of pages of the documentation, run as a reader would run them: in a folder that has the package installed. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  readonly text: string;
  /** The page's JavaScript blocks, in their order. */
  readonly programs: readonly string[];
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), "utf8");
  return { text, programs: [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "") };
}

interface Running {
  /** Node's own. */
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

/** Runs a program in a folder. Rejects where it fails. */
export async function runProgram(
  folder: string,
  code: string,
  { flags = [], environment = {} }: Running = {},
): Promise<{ stdout: string; stderr: string }> {
  const installed = join(folder, "node_modules", "overfill");
  mkdirSync(join(installed, ".."), { recursive: true });
  if (!existsSync(installed)) symlinkSync(root, installed, "junction");
  writeFileSync(join(folder, "page.mjs"), code);
  const env = { ...process.env, ...environment };
  return promisify(execFile)(process.execPath, [...flags, "page.mjs"], { cwd: folder, env });
}
