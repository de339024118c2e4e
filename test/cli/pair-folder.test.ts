/** The commands that answer take a folder in place of two files. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { demoPair, demoPrompt, demoQuestions } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand, startCommand } from "./command-process.js";

const [{ answer } = { answer: "" }] = demoQuestions;

function demoFolder(t: ExecutionContext): string {
  const folder = join(withTempDir(t), "story");
  mkdirSync(folder);
  const { prefill, decode } = demoPair;
  const said = { overfill: "pair", version: 1, prefill: { ...prefill }, decode: { ...decode }, contextSize: 256 };
  writeFileSync(join(folder, "overfill.json"), JSON.stringify(said));
  return folder;
}

test.serial("overfill run takes a folder", async (t) => {
  const { stdout, exitCode } = await runCommand(["run", demoFolder(t), "--temp", "0", "--quiet", "-p", demoPrompt]);
  t.is(stdout, answer);
  t.is(exitCode, 0);
});

test.serial("overfill chat takes a folder", async (t) => {
  const args = ["chat", demoFolder(t), "--template", "chatml", "--temp", "0", "--max-tokens", "4", "--quiet"];
  const { stderr, exitCode } = await runCommand(args, { stdin: "Count red\n" });
  t.is(exitCode, 0, stderr);
});

test.serial("overfill serve takes a folder, and calls the model like it", async (t) => {
  const child = startCommand(["serve", demoFolder(t), "--port", "0", "--quiet"]);
  try {
    let told = "";
    for await (const chunk of child.stderr ?? []) {
      told += String(chunk);
      if (told.includes("\n")) break;
    }
    const url = /listening on (\S+)/.exec(told)?.[1];
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
    t.true(
      data.some(({ id }) => id === "story"),
      JSON.stringify(data),
    );
  } finally {
    child.kill();
  }
});

test.serial("a folder and what it names are told to be too much", async (t) => {
  const folder = demoFolder(t);
  for (const flags of [
    ["--decode", "x.gguf"],
    ["--translator", "x.gguf"],
    ["--layer-map", "first"],
  ]) {
    const { stderr, exitCode } = await runCommand(["run", folder, ...flags, "-p", "x"]);
    t.is(exitCode, 2);
    t.regex(stderr, /and a folder name the same: give one of them/);
  }
});

test.serial("a folder that is no pair ends the command with its code", async (t) => {
  const { stderr, exitCode } = await runCommand(["run", withTempDir(t), "-p", "x"]);
  t.is(exitCode, 1);
  t.regex(stderr, /no pair was made there \(ERR_FILE_READ_FAILED\)/);
});
