/** The examples of docs/adapters.md run. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { runCommand } from "../cli/command-process.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/adapters.md"), "utf8");
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1] ?? "");

test("the program and the commands run", async (t) => {
  const folder = withTempDir(t);
  const at = (name: string) => join(folder, name);
  await writeTinyModel(at("base.gguf"));
  await writeTinyAdapter(at("tuned.gguf"));

  mkdirSync(at("node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  const [program = "", ...programs] = blocksOf("js");
  t.is(programs.length, 0);
  writeFileSync(at("example.mjs"), program);
  const { stdout } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  t.is(stdout, "share true\n");

  const commands = blocksOf("sh").join("").trim().split("\n");
  t.is(commands.length, 2);
  for (const command of commands) {
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
    const inFolder = args.slice(1).map((arg) => (/^(base|tuned)\.gguf/.test(arg) ? at(arg) : arg));
    const { exitCode, stderr } = await runCommand([...inFolder, ...(args[1] === "run" ? ["--max-tokens", "4"] : [])]);
    t.is(exitCode, 0, stderr);
  }
});
