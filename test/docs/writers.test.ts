/** The example of docs/writers.md runs and prints what it says. */

import { join } from "node:path";
import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";

const page = readPage("docs/writers.md");

test("the program runs", async (t) => {
  const folder = withTempDir(t);
  const at = (name: string) => join(folder, name);
  await writeTinyModel(at("full.gguf"));
  await writeTinyModel(at("small.gguf"), { seed: 2, nEmbd: 32, nFf: 64 });
  await writeTinyAdapter(at("tuned.gguf"));
  const [program = "", ...others] = page.programs;
  t.is(others.length, 0);
  const { stdout } = await runProgram(folder, program);
  const said = [...program.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((match) => match[1]);
  t.is(stdout, `${said.join("\n")}\n`);
});
