/** The commands and the example of docs/bench.md run, one after the other, as a reader would run them. */

import { readdirSync } from "node:fs";
import { runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const blocks = blocksOf("docs/bench.md");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.is(commands.length, 3);
  const stdout = await walk(folder, ...commands);
  t.is([...stdout.matchAll(/^fast: /gm)].length, 3, stdout);
  t.regex(stdout, /agrees, the data's/);
  t.regex(stdout, /│ prompts of +│ +32 tokens │ +100 tokens │/);
  t.notRegex(stdout, /bad line|NaN|undefined|Infinity/);
  t.deepEqual(readdirSync(folder).sort(), ["bench.svg", "held-out.jsonl", "report.json", "test"]);

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  const { stdout: told } = await runProgram(folder, example ?? "");
  t.regex(told, /^"prefill" true 1\n/);
  t.regex(told, /\n\{"acceptance":0\.5\} true [\d.]+\n"exact" true 1\n$/);
});
