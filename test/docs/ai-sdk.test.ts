/** The examples of docs/ai-sdk.md run, and what the page says of calls can be said. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/ai-sdk.md"), "utf8");
const examples = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");

async function outputOf(folder: string, program: string): Promise<string> {
  writeFileSync(join(folder, "example.mjs"), program);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder });
  return stderr + stdout;
}

test("the examples run with the built package and the SDK", async (t) => {
  const folder = withTempDir(t);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  symlinkSync(join(root, "node_modules", "ai"), join(folder, "node_modules", "ai"), "junction");
  const [whole = "", call = "", ...more] = examples;
  t.is(more.length, 0);
  const counts = /^0 of (\d+) tokens were there already\n(\d+) of (\d+) tokens were there already\n$/;
  const [, first, held, second] = counts.exec(await outputOf(folder, whole)) ?? [];
  t.true(Number(held) >= Number(first) && Number(second) > Number(held), `${first}, ${held}, ${second}`);

  const [before, after] = whole.split(/const messages = [\s\S]*?\n}\n/) as [string, string];
  const answer = 'console.log((await generateText({ model: overfill("small"), ...call })).text);';
  t.regex(await outputOf(folder, before + call + answer + after), /^(yes|no)\n$/);
});
