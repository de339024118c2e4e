/** What `overfill init` asks, refuses and writes. That the projects run is tested in test/docs/examples.test.ts. */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { main, runCommand } from "./command-process.js";

const prefill = String(demoPair.prefill.model);
const decode = String(demoPair.decode.model);

test("a project without models names files to be put there", async (t) => {
  const folder = join(withTempDir(t), "My App!");
  const { stdout, stderr, exitCode } = await runCommand(["init", folder, "--kind", "chat"]);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /^Wrote .*My App! \(chat\): README\.md, chat\.mjs, package\.json\n/);
  t.regex(stdout, /npx overfill suggest/);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  t.like(manifest, { name: "my-app", scripts: { start: "node chat.mjs full.gguf small.gguf" } });
  t.regex(manifest.dependencies.overfill, /^\^\d+\.\d+\.\d+/);
  t.deepEqual(readdirSync(folder).sort(), [".gitignore", "README.md", "chat.mjs", "package.json"]);
});

test("a project that needs no models says nothing of them, and one with them in a file does", async (t) => {
  const folder = withTempDir(t);
  for (const [kind, isTold] of [
    ["make-a-pair", false],
    ["electron", false],
    ["next", true],
    ["remote-prefill", true],
  ] as const) {
    const { stdout, exitCode } = await runCommand(["init", join(folder, kind), "--kind", kind]);
    t.deepEqual([exitCode, stdout.includes("npx overfill suggest")], [0, isTold], kind);
  }
});

test("each script of a project gets the models that it names", async (t) => {
  const folder = join(withTempDir(t), "app");
  const args = ["init", folder, "--kind", "remote-prefill", "--prefill", prefill, "--decode", decode];
  const { stdout, exitCode } = await runCommand(args);
  t.deepEqual([exitCode, stdout.includes("npx overfill suggest")], [0, false]);
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  t.deepEqual(scripts, {
    start: `node reader.mjs "${prefill}" "${decode}"`,
    writer: `node writer.mjs "${decode}"`,
  });
});

test("a folder that is there is taken if it is empty, and left alone if not", async (t) => {
  const folder = withTempDir(t);
  const args = ["init", folder, "--kind", "json"];
  t.is((await runCommand(args)).exitCode, 0);
  const before = readdirSync(folder);
  const { stderr, exitCode } = await runCommand(args);
  t.deepEqual({ stderr, exitCode }, { stderr: `overfill: ${folder} is not empty: name another folder\n`, exitCode: 2 });
  t.deepEqual(readdirSync(folder), before);
});

for (const [title, args, words] of [
  ["without a terminal a kind has to be given", ["init", "x"], /nobody can be asked here: give --kind, one of chat, /],
  [
    "without a terminal a folder has to be given",
    ["init", "--kind", "chat"],
    /nobody can be asked here: give the folder/,
  ],
  ["a kind that there is not", ["init", "x", "--kind", "python"], /Allowed choices are chat, json, /],
  ["a decode model alone", ["init", "x", "--kind", "chat", "--decode", prefill], /--decode needs --prefill/],
  ["a model that is not there", ["init", "x", "--kind", "chat", "--prefill", "none.gguf"], /none\.gguf is no file/],
  ["a folder that is a file", ["init", prefill, "--kind", "chat"], /is a file: name a folder/],
] as const)
  test(title, async (t) => {
    const { stdout, stderr, exitCode } = await runCommand(args);
    t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 2 });
    t.regex(stderr, words);
    t.false(existsSync("x"));
  });

test("a model's name that a shell would change is refused before anything is written", async (t) => {
  const folder = withTempDir(t);
  const model = join(folder, process.platform === "win32" ? "a%PATH%.gguf" : "a$(id).gguf");
  writeFileSync(model, "GGUF");
  const { stderr, exitCode } = await runCommand(["init", join(folder, "app"), "--kind", "chat", "--prefill", model]);
  t.is(exitCode, 2);
  t.regex(stderr, /has letters that a script cannot have/);
  t.false(existsSync(join(folder, "app")));
});

const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
(hasScript ? test : test.skip)("on a terminal what is missing is asked for (needs script)", async (t) => {
  const folder = withTempDir(t);
  mkdirSync(join(folder, "here"));
  const child = spawn("script", ["-qec", `'${process.execPath}' '${main}' init`, "/dev/null"], {
    cwd: join(folder, "here"),
    stdio: ["pipe", "pipe", "ignore"],
  });
  const shown = text(child.stdout);
  // A kind that there is not is asked for again; the second model is the first one.
  child.stdin.end(`nothing\n2\nobjects\n${prefill}\n\n`);
  t.regex(await shown, /Kind \(1\): .*Wrote objects \(json\)/s);
  const { scripts } = JSON.parse(readFileSync(join(folder, "here", "objects", "package.json"), "utf8"));
  t.is(scripts.start, `node json.mjs "${prefill}" "${prefill}"`);
});
