/** Every example is written by `overfill init`, and does what its README says. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { kinds } from "../../lib/cli/commands/init/flags.js";
import { splitWords } from "../../lib/cli/shell-words.js";
import { template } from "../chat/fixtures.js";
import { runCommand } from "../cli/command-process.js";
import { text } from "../support/gguf-format.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const examples = join(root, "examples");
const posixTest = process.platform === "win32" ? test.skip : test;

/** A project that `overfill init` wrote, with two small models and the packages that it asks for. */
async function project(t: ExecutionContext, kind: string): Promise<string> {
  const home = withTempDir(t);
  const metadata = { "tokenizer.chat_template": text(template) };
  const [prefill, decode] = ["full.gguf", "small.gguf"].map((name) => join(home, name)) as [string, string];
  await writeTinyModel(prefill, { contextLength: 4096, metadata });
  await writeTinyModel(decode, { seed: 2, nEmbd: 32, nFf: 64, contextLength: 4096, metadata });
  const folder = join(home, "app");
  const { stderr, exitCode } = await runCommand([
    ...["init", folder, "--kind", kind, "--prefill", prefill, "--decode", decode],
  ]);
  t.is(exitCode, 0, stderr);
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  const { dependencies } = manifestOf(folder);
  for (const name of Object.keys(dependencies).filter((one) => !/^(next|react)/.test(one))) {
    if (name.startsWith("@")) mkdirSync(join(modules, name, ".."), { recursive: true });
    symlinkSync(name === "overfill" ? root : join(root, "node_modules", name), join(modules, name), "junction");
  }
  return folder;
}

interface Manifest {
  readonly name: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** Runs a script of the project, as npm does, with more arguments. */
function start(folder: string, { script = "start", args = [] as readonly string[], env = {} } = {}): ChildProcess {
  const [, ...words] = splitWords(String(manifestOf(folder).scripts[script]));
  return spawn(process.execPath, [...words, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
}

/** What it prints, up to its end or to a text that matches; what comes later is read, too. */
function output(child: ChildProcess, until?: RegExp): Promise<string> {
  let told = "";
  return new Promise((resolve) => {
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      told += chunk;
      if (until?.test(told)) resolve(told);
    });
    child.once("close", () => resolve(told));
  });
}

test("every example is a kind that init knows, with a short README and a package.json", (t) => {
  t.deepEqual(readdirSync(examples).sort(), kinds.map(([kind]) => String(kind)).sort());
  const page = readFileSync(join(root, "docs/examples.md"), "utf8");
  for (const [kind] of kinds) {
    const lines = readFileSync(join(examples, kind, "README.md"), "utf8").split("\n");
    t.true(page.includes(`[\`${kind}\`](https://github.com/overfill/overfill/tree/main/examples/${kind})`), kind);
    t.true(lines[0]?.startsWith("# ") && lines.length <= 14, kind);
    const { dependencies, scripts } = manifestOf(join(examples, kind));
    t.truthy(dependencies.overfill, kind);
    t.truthy(scripts.start, kind);
  }
});

test("chat answers each line, those too that come before it asks", async (t) => {
  const child = start(await project(t, "chat"));
  child.stdin?.end("Hello\nAnd now?\n");
  const told = await output(child);
  t.true(told.startsWith("> "), told);
  t.true(told.split("\n").length >= 3, told);
  t.is(child.exitCode, 0);
});

test("json gives an object", async (t) => {
  t.regex(await output(start(await project(t, "json"))), /\{ sky: '(clear|cloudy|rain)', degrees: -?\d+ \}/);
});

for (const kind of ["tools", "agent"])
  test(`${kind} tells how it ended`, async (t) => {
    t.regex(await output(start(await project(t, kind))), /\n(stop|length|tool-calls), \d+ tokens\n$/);
  });

test("http-stream streams an answer", async (t) => {
  const child = start(await project(t, "http-stream"), { env: { PORT: "0" } });
  t.teardown(() => child.kill());
  const told = await output(child, /\n/);
  const response = await fetch(told.trim(), { method: "POST", body: "Why?" });
  t.is(response.status, 200);
  t.true((await response.text()).length > 0);
});

test("openai-server is asked by OpenAI's own package", async (t) => {
  const folder = await project(t, "openai-server");
  const server = start(folder, { env: { PORT: "0" } });
  t.teardown(() => server.kill());
  const [url = ""] = (await output(server, /\/v1\n/)).split("\n");
  const client = start(folder, { script: "client", args: [url, "Hello"] });
  t.true((await output(client)).length > 1);
  t.is(client.exitCode, 0);
});

test("remote-prefill: the writer, which has the small model alone, has its prompt read by the other process", async (t) => {
  const folder = await project(t, "remote-prefill");
  const reader = start(folder, { env: { PORT: "0" } });
  t.teardown(() => reader.kill());
  const url = (await output(reader, /\n/)).trim();
  const writer = start(folder, { script: "writer", args: [url, "Hello"] });
  t.regex(await output(writer), /\n[1-9]\d* tokens were read there, [1-9]\d* written here\n$/);
  t.is(writer.exitCode, 0);
});

test("make-a-pair makes a pair of the demo's full model, and asks it", async (t) => {
  const folder = await project(t, "make-a-pair");
  // The same with less training: what comes of it is not looked at here.
  const program = join(folder, "make.mjs");
  const text = readFileSync(program, "utf8");
  const shorter = text.replace(/"stories\.jsonl", \d+/, '"stories.jsonl", 40').replace(/maxSteps: \d+/, "maxSteps: 2");
  t.not(shorter, text);
  writeFileSync(program, shorter);
  const child = start(folder);
  t.regex(await output(child), /^pair\/decode\.gguf: \d+ parameters, .*\nagrees .*\nTell about Rosnek : /);
  t.is(child.exitCode, 0);
  t.is(manifestOf(folder).scripts.own, `node make.mjs "${join(folder, "..", "full.gguf")}"`);
});

test("worker passes on what the thread says", async (t) => {
  const child = start(await project(t, "worker"));
  t.true((await output(child)).length > 1);
  t.is(child.exitCode, 0);
});

posixTest("worker stops the answer at a Ctrl-C, and ends", async (t) => {
  const folder = await project(t, "worker");
  // Tokens without end, which only the signal ends.
  const program = join(folder, "worker.mjs");
  const endless = readFileSync(program, "utf8").replace("maxTokens: 512", "maxTokens: 3000");
  writeFileSync(program, endless);
  const child = start(folder);
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  child.kill("SIGINT");
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once("close", (...ending) => resolve(ending)),
  );
  t.deepEqual([code, signal], [0, null]);
});

test("the route of next streams an answer, and ends with who asked", async (t) => {
  const folder = await project(t, "next");
  const program = join(folder, "ask.mjs");
  writeFileSync(
    program,
    `import { POST } from "./app/api/chat/route.js";
     const messages = [{ role: "user", content: "Hi" }, { role: "assistant", content: "Hello" }, { role: "user", content: "Why?" }];
     const ask = (signal) => POST(new Request("http://x/", { method: "POST", body: JSON.stringify({ messages }), signal }));
     const response = await ask();
     console.log(response.status, (await response.text()).length > 0);
     const stop = new AbortController();
     const stopped = (await ask(stop.signal)).text();
     stop.abort();
     console.log(typeof (await stopped.catch((error) => error.name)));
     await (await globalThis.overfillPair).dispose();`,
  );
  const child = spawn(process.execPath, [program], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  t.is(await output(child), "200 true\nstring\n");
});

test("electron and next have their models in a file of its own", async (t) => {
  for (const kind of ["electron", "next"]) {
    const folder = await project(t, kind);
    const { models } = await import(join(folder, "models.mjs"));
    t.deepEqual(models, {
      prefill: { model: join(folder, "..", "full.gguf") },
      decode: { model: join(folder, "..", "small.gguf") },
    });
  }
});
