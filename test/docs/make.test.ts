/** The commands and the example of docs/make.md run, one after the other, as a reader would run them. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/make.md"), "utf8");
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
  t.is(commands.length, 4);
  const [, plan = "", ...rest] = commands;
  const run = async (...parts: readonly (string | undefined)[]) =>
    (await promisify(execFile)("sh", ["-c", ["set -e", overfill, ...parts].join("\n")], { cwd: folder })).stdout;
  const planned = await run(commands[0], plan);
  t.regex(planned, /│ healing +│/);
  t.regex(planned, /Nothing was made\./);
  t.false(existsSync(join(folder, "pair")));
  const made = await run(...rest);
  t.regex(made, /│ agrees with the full model, quantised +│ +[\d.]+% │/);
  t.regex(made, /│ type +│ +q4_0 │/);
  t.notRegex(`${planned}${made}`, /NaN|undefined|Infinity/);
  for (const name of ["pair", "coarse"])
    t.deepEqual(
      readdirSync(join(folder, name)).sort(),
      ["card.md", "card.svg", "decode.gguf", "overfill.json", "work"],
      name,
    );

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  writeFileSync(join(folder, "example.mjs"), example ?? "");
  const { stdout: told } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  t.is(told, "true true\nshare\n");
});

test("the page's overfill.json is one that is read", async (t) => {
  const { readPairFolder } = await import("../../lib/index.js");
  const folder = withTempDir(t);
  writeFileSync(join(folder, "overfill.json"), blocks("json")[0] ?? "");
  writeFileSync(join(folder, "decode.gguf"), "");
  const { prefill, contextSize } = await readPairFolder(folder);
  t.deepEqual(
    { prefill: prefill.model.replaceAll("\\", "/").replace(/^[A-Z]:/, ""), contextSize },
    {
      prefill: "/models/full.gguf",
      contextSize: 4096,
    },
  );
});
