/** The commands and the example of docs/prune.md run, one after the other, as a reader would run them. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { prunableArchitectures } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/prune.md"), "utf8");
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
  t.true(commands.length >= 5);
  const script = ["set -e", overfill, ...commands].join("\n");
  const { stdout } = await promisify(execFile)("sh", ["-c", script], { cwd: folder, maxBuffer: 2 ** 24 });
  t.is([...stdout.matchAll(/^Pair: share, /gm)].length, 2);
  const [printed = ""] = blocks("text");
  const [sizes = "", notes = "", losses = ""] = printed.split("\n\n");
  t.true(stdout.includes(`${sizes}\n\n${notes}\n\n`));
  const lossOf = (text: string, model: string) => Number(new RegExp(`${model} +│ +([\\d.]+)`).exec(text)?.[1]);
  for (const model of ["the full model", "the pruned model, alone"]) {
    const shown = lossOf(losses, model);
    // Other kernels add up in another order.
    t.true(Math.abs(lossOf(stdout, model) - shown) < 0.02 * shown, model);
  }
  const made = ["calibration.txt", "full.importance.gguf", "half.gguf", "odd-padded.gguf", "odd.gguf", "shallow.gguf"];
  t.deepEqual(readdirSync(folder).sort(), [...made, "small.gguf", "test", "tiny.gguf"].sort());

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  writeFileSync(join(folder, "example.mjs"), example ?? "");
  const { stdout: told } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  t.regex(told, /^\d+ 64 [\d.]+ [\d.]+\nshare\n$/);
});

test("the pages that this page and the README name are there", (t) => {
  for (const file of ["README.md", "docs/prune.md"]) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([\w./-]+\.md)\)/g))
      t.true(existsSync(join(root, file, "..", link)), `${file}: ${link}`);
  }
});

test("the page's table of architectures is the program's", (t) => {
  const rows = [...page.matchAll(/^\| ([\w-]+) \| (itself|-|[\w-]+) \| (any|together only) \|$/gm)].map((match) =>
    match.slice(1),
  );
  t.deepEqual(
    rows,
    prunableArchitectures().map(({ name, carrier, square }) => [
      name,
      carrier ?? (square ? "-" : "itself"),
      square ? "together only" : "any",
    ]),
  );
});
