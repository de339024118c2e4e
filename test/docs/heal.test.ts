/** The commands and the example of docs/heal.md run, one after the other, with less data and fewer steps. */

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/heal.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");

/** The page's commands are for a POSIX shell. */
const posixTest = process.platform === "win32" ? test.skip : test;

const scripts = { "data:lookups": "scripts/data/lookups.ts", "report:lookups": "scripts/report/lookups.ts" };

/** The commands for another folder than the clone's own, and shortened. */
function shortened(commands: string): string {
  let made = commands
    .replace(/--count \d+/g, "--count 40")
    .replace(/--max-steps \d+/g, "--max-steps 2")
    .replace(/--batch \d+/g, "--batch 4")
    .replace(/--eval-interval \d+/g, "--eval-interval 1");
  for (const [name, file] of Object.entries(scripts))
    made = made.replaceAll(
      `npm run ${name} --`,
      `'${process.execPath}' --import '${import.meta.resolve("tsx")}' '${join(root, file)}'`,
    );
  return made.replaceAll("lookups.ts' --full", "lookups.ts' --count 5 --full");
}

posixTest("the walk-through runs", async (t) => {
  const folder = withTempDir(t);
  symlinkSync(join(root, "test"), join(folder, "test"), "junction");
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const commands = blocks("sh");
  t.true(commands.length >= 6);
  const script = ["set -e", overfill, ...commands.map(shortened)].join("\n");
  const { stdout } = await promisify(execFile)("sh", ["-c", script], { cwd: folder, maxBuffer: 2 ** 24 });
  t.regex(stdout, /│ healed\.gguf +│ \d+ \/ \d+ +│ \d+ \/ \d+ +│/);
  const made = readdirSync(folder).filter((name) => !name.endsWith(".checkpoint"));
  const models = [
    ...["pruned", "healed", "alone", "distilled", "lora", "new", "trained"],
    ...["maps", "mapped", "mapped-maps", "reader", "taught"],
  ].map((name) => `${name}.gguf`);
  const others = ["train.jsonl", "held-out.jsonl", "calibration.txt", "train-log.jsonl", "loss.svg", "test"];
  const answers = ["prompts.jsonl", "taught.gguf.answers.jsonl", "taught.gguf.answers.jsonl.progress"];
  t.deepEqual(made.sort(), [...models, ...others, ...answers].sort());

  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  const told: string[] = [];
  for (const [i, example] of blocks("js").entries()) {
    writeFileSync(join(folder, `example-${i}.mjs`), example.replace(/maxSteps: \d+/, "maxSteps: 2"));
    told.push((await promisify(execFile)(process.execPath, [`example-${i}.mjs`], { cwd: folder })).stdout);
  }
  t.deepEqual(told, ["healed.gguf 2 true\n", "share 1\n"]);
});
