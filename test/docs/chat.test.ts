/** The examples of docs/chat.md run one after the other, and so do the files of examples/. */

import { execFile, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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

test("every example of examples/ is run here", (t) => {
  const programs = readdirSync(join(root, "examples"), { withFileTypes: true }).filter((entry) => entry.isFile());
  t.deepEqual(programs.map(({ name }) => name).sort(), ["chat.mjs", "http-stream.mjs", "json.mjs", "tools.mjs"]);
});

const example = (folder: string, name: string, environment: NodeJS.ProcessEnv = {}) => {
  copyFileSync(join(root, "examples", `${name}.mjs`), join(folder, `${name}.mjs`));
  return spawn(process.execPath, [`${name}.mjs`, "full.gguf", "small.gguf"], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
};

async function output(child: ReturnType<typeof example>): Promise<string> {
  let told = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) told += chunk;
  return told;
}

test("examples/chat.mjs answers each line", async (t) => {
  const child = example(await app(t), "chat");
  child.stdin.end("Hello\nAnd now?\n");
  const told = await output(child);
  t.true(told.split("> ").length >= 3, told);
  t.is(child.exitCode ?? 0, 0);
});

test("examples/json.mjs gives an object", async (t) => {
  t.regex(await output(example(await app(t), "json")), /\{ sky: '(clear|cloudy|rain)', degrees: -?\d+ \}/);
});

test("examples/tools.mjs tells how it ended", async (t) => {
  t.regex(await output(example(await app(t), "tools")), /\n(stop|length|tool-calls), \d+ tokens\n$/);
});

test("examples/http-stream.mjs streams an answer", async (t) => {
  const child = example(await app(t), "http-stream", { PORT: "0" });
  t.teardown(() => child.kill());
  let told = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    told += chunk;
    if (told.includes("\n")) break;
  }
  const response = await fetch(told.trim(), { method: "POST", body: "Why?" });
  t.is(response.status, 200);
  t.true((await response.text()).length > 0);
});
