/** Every JavaScript example of the README runs, as a stranger would run it; so does the program of docs/electron.md. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { folderWithChatModels } from "../support/app-folder.js";
import { readPage, runProgram } from "../support/page-program.js";

const readme = readPage("README.md");
const [chat = "", electron = "", ...others] = readme.programs;

test("the README has as many examples as this test knows", (t) => {
  t.true(chat.includes("pair.chat(") && electron.includes("loadPairInHost"));
  t.deepEqual(others, []);
});

test("its examples are as short as they are said to be", (t) => {
  const lines = (program: string) =>
    program.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("import"));
  t.true(lines(chat).length <= 10, chat);
  t.true(lines(electron).length <= 20, electron);
});

test("the README has the two commands of a clone, each a line of its own", (t) => {
  for (const command of ["npm ci && npm start", "npm ci && npm test"])
    t.true(readme.text.includes(`\n\`\`\`sh\n${command}\n\`\`\`\n`), command);
});

test("the chat answers", async (t) => {
  const { stdout, stderr } = await runProgram(await folderWithChatModels(t), chat);
  t.is(stderr, "");
  t.regex(stdout, / (stop|length)\n$/);
});

/** Runs a program of Electron's main process on the stand-in, with models that write at random. */
async function runInElectron(t: ExecutionContext, program: string): Promise<readonly Record<string, unknown>[]> {
  const folder = await folderWithChatModels(t);
  const hooks = pathToFileURL(join(import.meta.dirname, "..", "host", "children", "electron-hooks.mjs")).href;
  const { stdout } = await runProgram(folder, program, {
    flags: [`--import=${hooks}`],
    environment: { FAKE_WINDOW: JSON.stringify({ message: "Will it rain?", last: "finish" }) },
  });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

for (const [title, program] of [
  ["the README's", electron],
  ["docs/electron.md's", readPage("docs/electron.md").programs[0] ?? ""],
] as const)
  test(`${title} program for Electron answers a window, and ends with it`, async (t) => {
    const said = await runInElectron(t, program);
    t.like(said[0], { type: "window", preferences: { sandbox: true } });
    t.true(
      said.some(({ type, text }) => type === "text" && text !== ""),
      JSON.stringify(said),
    );
    t.deepEqual(
      said.slice(-2).map(({ type }) => type),
      ["finish", "quit"],
    );
  });
