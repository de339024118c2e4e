/** The commands and the example of docs/answer.md run, one after the other, as a reader would run them. */

import { readdirSync } from "node:fs";
import { runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const blocks = blocksOf("docs/answer.md");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.is(commands.length, 1);
  const stdout = await walk(folder, ...commands);
  t.regex(stdout, /│ prompts +│ +40 │/);
  t.regex(stdout, /│ answers +│ +80 │/);
  t.notRegex(stdout, /bad line|NaN|undefined|Infinity/);

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  const { stdout: told } = await runProgram(folder, example ?? "");
  t.is(told, "40 true\n");
  const made = ["own-words.jsonl", "own-words.jsonl.progress", "train.jsonl", "train.jsonl.progress", "healed.gguf"];
  for (const name of made) t.true(readdirSync(folder).includes(name), name);
});
