/** The examples of docs/chat.md run one after the other. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { template } from "../chat/fixtures.js";
import { text } from "../support/gguf-format.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/chat.md"), "utf8");

/** A folder of a stranger's app, with two small models. */
async function app(t: ExecutionContext): Promise<string> {
  const folder = withTempDir(t);
  const metadata = { "tokenizer.chat_template": text(template) };
  await writeTinyModel(join(folder, "full.gguf"), { contextLength: 4096, metadata });
  await writeTinyModel(join(folder, "small.gguf"), { seed: 2, nEmbd: 32, nFf: 64, contextLength: 4096 });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  return folder;
}

test("the page's examples run", async (t) => {
  const folder = await app(t);
  const code = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.is(code.length, 7);
  writeFileSync(join(folder, "page.mjs"), code.join("\n"));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["page.mjs"], { cwd: folder });
  t.is(stderr, "");
  t.regex(stdout, /\{ sky: '(clear|rain)', degrees: -?\d+ \}/);
  t.regex(stdout, /\ntrue\ntrue true\nERR_SCHEMA_UNSUPPORTED \{ keyword: 'not', pointer: '' \}\n$/);
});
