/** What reaches a terminal: as wide as it is, in colour where that is wanted, and nothing that could steer it. */

import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import test from "ava";
import fc from "fast-check";
import stringWidth from "string-width";
import { renderList, renderTable } from "../../lib/cli/tables.js";
import { toJson, visible, visibleLines, visibleText } from "../../lib/cli/visible.js";
import { reflow } from "../../lib/cli/wrap.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { finishCommand, runCommand, startCommand, untilRead } from "./command-process.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const models = fileURLToPath(new URL("../../models/", import.meta.url));
const posixTest = process.platform === "win32" ? test.skip : test;

const widest = (text: string): number =>
  Math.max(...text.split("\n").map((line) => stringWidth(stripVTControlCharacters(line))));

test("a table with room enough is as wide as its cells", (t) => {
  const table = renderTable(["name", "size"], [["a model", "1"]], [1], 80);
  t.is(table.split("\n")[3], "│ a model │    1 │");
  t.is(widest(table), 18);
});

test("a table that is too wide breaks between words before it cuts a path", (t) => {
  const rows = [["/models/full.gguf", "the decode model goes on in the prefill model's cache"]];
  const table = renderTable([], rows, [], 44);
  t.true(widest(table) <= 44);
  t.true(table.includes("/models/full.gguf"));
});

test("a table that cannot fit becomes a list of all that it holds", (t) => {
  const list = renderTable(["layer", "error of K", "error of V"], [["3", "0.1234567", "0.7654321"]], [0, 1, 2], 20);
  t.is(list, "layer 3\n  error of K:\n    0.1234567\n  error of V:\n    0.7654321");
});

test("no table is wider than the terminal", (t) => {
  // Letters of one column and of two.
  const letter = fc.constantFrom("a", "-", "é", "模");
  const word = fc.string({ unit: letter, minLength: 1, maxLength: 30 });
  const cell = fc.array(word, { maxLength: 5 }).map((words) => words.join(" "));
  const rows = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 20, max: 120 }), (cells, width) => {
      const table = renderTable(["", "prefill", "decode"], cells, [], width);
      return widest(table) <= width;
    }),
  );
  t.pass();
});

test("a list puts values below their labels where there is no room beside them", (t) => {
  const rows = [["platform package", "one two three four five six seven"]] as const;
  t.is(renderList(rows, 60), "  platform package  one two three four five six seven");
  t.is(renderList(rows, 24), "  platform package\n    one two three four\n    five six seven");
});

test("help is fitted to the terminal, and commands to copy are broken as a shell takes them", (t) => {
  const text = "One two\nthree four.\n\nExamples:\n  overfill run --prefill a.gguf";
  t.is(reflow(text, 80), "One two three four.\n\nExamples:\n  overfill run --prefill a.gguf");
  t.is(reflow(text, 8), "One two\nthree\nfour.\n\nExamples:\n  overfill run \\\n    --prefill a.gguf");
  t.is(reflow("  overfill run -f a.txt --json > b.json", 30), "  overfill run -f a.txt \\\n    --json > b.json");
});

const hostile = "a\u001b[2J\u0007\r\nb\u0000\u009b1m\u202egnp\u2028";

test("control characters are shown, not sent", (t) => {
  t.is(visibleText(hostile), "a\\u001b[2J\\u0007\\r\\nb\\u0000\\u009b1m\\u202egnp\\u2028");
  t.is(visibleLines("a\n\tb\r\u001b"), "a\n\tb\\r\\u001b");
  t.is(visibleText("ελλάδα 模型 👩‍💻"), "ελλάδα 模型 👩‍💻");
  const url = new URL("file:///a");
  t.deepEqual(visible({ list: [{ name: hostile }], size: 1, none: undefined, url }), {
    list: [{ name: visibleText(hostile) }],
    size: 1,
    none: undefined,
    url,
  });
});

test("JSON holds no control character and says what it said", (t) => {
  const json = toJson({ name: hostile }, 2);
  t.notRegex(json, /[^\P{Cc}\n]|[\u2028\u202e]/u);
  t.deepEqual(JSON.parse(json), { name: hostile });
});

for (const columns of ["80", "40"])
  test(`the demo and the pair's inspection fit ${columns} columns`, async (t) => {
    const files = ["demo-prefill.gguf", "demo-decode.gguf"].map((file) => join(models, file));
    for (const args of [["run"], ["inspect", ...files], ["doctor"], ["prune", "--architectures"]]) {
      const { stdout, exitCode } = await runCommand(args, { env: { COLUMNS: columns } });
      t.is(exitCode, 0);
      // A path or a command to copy is left to the terminal to break.
      const lines = stdout.split("\n").filter((line) => !/overfill run |\S{30}/.test(line));
      for (const line of lines) t.true(stringWidth(line) <= Number(columns), line);
    }
  });

for (const [env, coloured] of [
  [{ FORCE_COLOR: "1" }, true],
  [{ FORCE_COLOR: "0" }, false],
  [{}, false],
] as const)
  test(`a pipe with ${JSON.stringify(env)} is ${coloured ? "coloured" : "plain"}`, async (t) => {
    const { stdout } = await runCommand(["run"], { env: { ...env, NO_COLOR: undefined } });
    t.is(stdout.includes("\u001b[32mright"), coloured);
  });

posixTest("with stdout and stderr in one place the summary begins a line of its own", async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "m.gguf");
  await writeTinyModel(model);
  const command = '"$0" "$1" run --prefill "$2" -p "Go on" --max-tokens 5 --ignore-eos 2>&1';
  const child = spawn("sh", ["-c", command, process.execPath, main, model], { stdio: ["ignore", "pipe", "inherit"] });
  const output = await readAll(child.stdout);
  t.regex(output, /\n\nprefill /);
  await remove();
});

test("names in a model file and its metadata reach no output raw", async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "m.gguf");
  await writeTinyModel(model, { name: hostile });
  for (const args of [
    ["inspect", model],
    ["inspect", "--json", model],
    ["inspect", model, model],
    ["run", "--prefill", `${path}/${hostile.replaceAll("\0", "")}`, "-p", "x"],
  ]) {
    const { stdout, stderr } = await runCommand(args);
    t.notRegex(stdout + stderr, /[^\P{Cc}\n]|[\u2028\u202e]/u, args.join(" "));
  }
  await remove();
});

const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;
(hasScript ? test : test.skip)("an answer on a terminal cannot steer it (needs script from util-linux)", async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "m.gguf");
  await writeTinyModel(model);
  const grammar = `root ::= "\\x1b" "[2J"`;
  const args = ["run", "--prefill", model, "-p", "x", "--grammar", grammar, "--max-tokens", "8"];
  const piped = await runCommand(args);
  t.true(piped.stdout.startsWith("\u001b[2J"));
  const command = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["ignore", "pipe", "ignore"] });
  const shown = await readAll(child.stdout);
  t.true(shown.includes("\\u001b[2J"));
  t.false(shown.includes("\u001b[2J"));
  await remove();
});

posixTest("the first Ctrl-C ends a command that waits for a file without end", async (t) => {
  const { path, remove } = makeTempDir();
  const pipe = join(path, "pipe");
  t.is(spawnSync("mkfifo", [pipe]).status, 0);
  const child = startCommand(["run", "--prefill", "x", "-f", pipe]);
  await untilRead(pipe);
  child.kill("SIGINT");
  const { exitCode, signal } = await finishCommand(child);
  t.true(signal === "SIGINT" || exitCode === 130);
  await remove();
});
