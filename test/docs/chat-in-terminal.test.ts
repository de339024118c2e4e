/** The commands of docs/chat.md run, one after the other, and its table of commands is that of `/help`. */

import { execFile } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { runCommand } from "../cli/command-process.js";
import { writeScriptedModel } from "../support/scripted-model.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/chat.md"), "utf8");
const [, section = ""] = page.split("\n## In the terminal\n");

/** The page's commands are for a POSIX shell. */
const posixTest = process.platform === "win32" ? test.skip : test;

posixTest("the commands run", async (t) => {
  const folder = withTempDir(t);
  const person = { name: "Ada", born: 1915 };
  const answers = { "?": ["Two models."], ".": [JSON.stringify(person)] };
  await writeScriptedModel(join(folder, "full.gguf"), { answers });
  copyFileSync(join(folder, "full.gguf"), join(folder, "small.gguf"));
  const commands = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.is(commands.length, 4);
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const running = promisify(execFile)("sh", ["-c", ["set -e", overfill, ...commands].join("\n")], { cwd: folder });
  // The conversation at a terminal is over before it begins.
  running.child.stdin?.end();
  t.is((await running).stdout, "Two models.");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  t.is(read("answers.txt"), "Two models.\nTwo models.\n");
  t.is(JSON.parse(read("talk.json")).length, 4);
  t.deepEqual(JSON.parse(read("person-1.json")), person);
});

test("the page has the commands that /help lists", async (t) => {
  const { stderr } = await runCommand(["chat"], { stdin: "/help\n" });
  const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name);
  t.deepEqual(names(section, /^\| `(\/[a-z]+[ A-Z]*)` \|/gm), names(stderr, /^ {2}(\/[a-z]+(?: [A-Z]+)?) {2}/gm));
});
