/** Walk-throughs of the documentation, run as a reader of the clone would run them: the commands of a page, in its order. */

import { execFile } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { readPage } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** The pages' commands are for a POSIX shell. */
export const posixTest = process.platform === "win32" ? test.skip : test;

/** @returns the contents of a page's blocks in a language, in their order */
export function blocksOf(path: string): (language: string) => string[] {
  const { text } = readPage(path);
  return (language) =>
    [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");
}

/** A folder of its own that has what the commands find in the clone. */
export function walkFolder(t: ExecutionContext): string {
  const folder = withTempDir(t);
  symlinkSync(join(root, "test"), join(folder, "test"), "junction");
  return folder;
}

const scripts = { "data:lookups": "scripts/data/lookups.ts", "report:lookups": "scripts/report/lookups.ts" };

/** Runs commands one after the other, the first failure ending them, and gives what they print. */
export async function walk(folder: string, ...commands: readonly string[]): Promise<string> {
  let text = commands.join("\n");
  for (const [name, file] of Object.entries(scripts)) {
    const program = `'${process.execPath}' --import '${import.meta.resolve("tsx")}' '${join(root, file)}'`;
    text = text.replaceAll(`npm run ${name} --`, program);
  }
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const script = ["set -e", overfill, text].join("\n");
  return (await promisify(execFile)("sh", ["-c", script], { cwd: folder, maxBuffer: 2 ** 24 })).stdout;
}
