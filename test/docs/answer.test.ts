/** The commands and the example of docs/answer.md run, one after the other, as a reader would run them. */

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/answer.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");

/** The page's commands are for a POSIX shell. */
const posixTest = process.platform === "win32" ? test.skip : test;

posixTest("the walk-through runs", async (t) => {
  const folder = withTempDir(t);
  symlinkSync(join(root, "test"), join(folder, "test"), "junction");
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const lookups = `'${process.execPath}' --import '${import.meta.resolve("tsx")}' '${join(root, "scripts/data/lookups.ts")}'`;
  const commands = blocks("sh").map((block) => block.replace("npm run data:lookups --", lookups));
  t.is(commands.length, 1);
  const script = ["set -e", overfill, ...commands].join("\n");
  const { stdout } = await promisify(execFile)("sh", ["-c", script], { cwd: folder, maxBuffer: 2 ** 24 });
  t.regex(stdout, /│ prompts +│ +40 │/);
  t.regex(stdout, /│ answers +│ +80 │/);
  t.notRegex(stdout, /bad line|NaN|undefined|Infinity/);

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  writeFileSync(join(folder, "example.mjs"), example ?? "");
  const { stdout: told } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  t.is(told, "40 true\n");
  const made = ["own-words.jsonl", "own-words.jsonl.progress", "train.jsonl", "train.jsonl.progress", "healed.gguf"];
  for (const name of made) t.true(readdirSync(folder).includes(name), name);
});
