/** The commands and the example of docs/eval.md run, one after the other, with less data. */

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { metricNames } from "../../lib/eval/metrics/index.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/eval.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");

/** The page's commands are for a POSIX shell. */
const posixTest = process.platform === "win32" ? test.skip : test;

/** The commands for another folder than the clone's own, and shortened. */
function shortened(commands: string): string {
  const script = `'${process.execPath}' --import '${import.meta.resolve("tsx")}' '${join(root, "scripts/data/lookups.ts")}'`;
  return commands.replace(/--count \d+/g, "--count 16").replaceAll("npm run data:lookups --", script);
}

posixTest("the walk-through runs", async (t) => {
  const folder = withTempDir(t);
  symlinkSync(join(root, "test"), join(folder, "test"), "junction");
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const commands = blocks("sh");
  t.is(commands.length, 4);
  const script = ["set -e", overfill, ...commands.map(shortened)].join("\n");
  const { stdout } = await promisify(execFile)("sh", ["-c", script], { cwd: folder, maxBuffer: 2 ** 24 });
  for (const task of ["predicting responses, 16", "generating answers, 16", "choosing, 2"])
    t.true(stdout.includes(`: ${task} examples, `), stdout);
  t.regex(stdout, /^text\.txt: predicting responses, \d+ examples, /m);
  t.notRegex(stdout, /bad line|NaN|undefined/);
  const made = [
    "held-out.jsonl",
    "report.json",
    "nearness.svg",
    "answers.jsonl",
    "scores.svg",
    "choices.jsonl",
    "text.txt",
  ];
  t.deepEqual(readdirSync(folder).sort(), [...made, "test"].sort());

  const [example, ...more] = blocks("js");
  t.is(more.length, 0);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  writeFileSync(join(folder, "example.mjs"), example ?? "");
  const { stdout: told, stderr } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  t.is(stderr, "");
  t.regex(told, /^prefill \{\n {2}value: 1\.\d+/);
  t.regex(told, /\ntrue\n$/);
});

test("every metric is explained", (t) => {
  for (const name of Object.values(metricNames).flat()) t.true(page.includes(`\`${name}\``), name);
});
