/** The example of docs/writers.md runs and prints what it says. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/writers.md"), "utf8");

test("the program runs", async (t) => {
  const folder = withTempDir(t);
  const at = (name: string) => join(folder, name);
  await writeTinyModel(at("full.gguf"));
  await writeTinyModel(at("small.gguf"), { seed: 2, nEmbd: 32, nFf: 64 });
  await writeTinyAdapter(at("tuned.gguf"));
  mkdirSync(at("node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  const [program = "", ...programs] = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.is(programs.length, 0);
  writeFileSync(at("example.mjs"), program);
  const { stdout } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  const said = [...program.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((match) => match[1]);
  t.is(stdout, `${said.join("\n")}\n`);
});
