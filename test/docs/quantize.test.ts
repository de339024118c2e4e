/** The commands and the example of docs/quantize.md run, one after the other, as a reader would run them. */

import { readdirSync } from "node:fs";
import { runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const blocks = blocksOf("docs/quantize.md");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.is(commands.length, 3);
  const stdout = await walk(folder, ...commands);
  t.regex(stdout, /^Pair: share, /m);
  const [printed = ""] = blocks("text");
  t.true(stdout.includes(printed), stdout);
  const parts = [1, 2, 3, 4].map((part) => `mixed-0000${part}-of-00004.gguf`);
  const made = ["calibration.txt", "full.imatrix.gguf", "joined.gguf", ...parts, "small.gguf", "test", "tiny.gguf"];
  t.deepEqual(readdirSync(folder).sort(), made);

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  const { stdout: told } = await runProgram(folder, example ?? "");
  t.regex(told, /^\d\.\d\d 38 1\n$/);
});
