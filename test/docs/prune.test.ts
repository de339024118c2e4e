/** The commands and the example of docs/prune.md run, one after the other, as a reader would run them. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { prunableArchitectures } from "../../lib/index.js";
import { readPage, runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, root, walk, walkFolder } from "./walk-through.js";

const page = readPage("docs/prune.md").text;
const blocks = blocksOf("docs/prune.md");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.true(commands.length >= 5);
  const stdout = await walk(folder, ...commands);
  t.is([...stdout.matchAll(/^Pair: share, /gm)].length, 2);
  const [printed = ""] = blocks("text");
  const [sizes = "", notes = "", losses = ""] = printed.split("\n\n");
  t.true(stdout.includes(`${sizes}\n\n${notes}\n\n`));
  const lossOf = (text: string, model: string) => Number(new RegExp(`${model} +│ +([\\d.]+)`).exec(text)?.[1]);
  for (const model of ["the full model", "the pruned model, alone"]) {
    const shown = lossOf(losses, model);
    // Other kernels add up in another order.
    t.true(Math.abs(lossOf(stdout, model) - shown) < 0.02 * shown, model);
  }
  const made = ["calibration.txt", "full.importance.gguf", "half.gguf", "odd-padded.gguf", "odd.gguf", "shallow.gguf"];
  t.deepEqual(readdirSync(folder).sort(), [...made, "small.gguf", "test", "tiny.gguf"].sort());

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  const { stdout: told } = await runProgram(folder, example ?? "");
  t.regex(told, /^\d+ 64 [\d.]+ [\d.]+\nshare\n$/);
});

test("the pages that this page and the README name are there", (t) => {
  for (const file of ["README.md", "docs/prune.md"]) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([\w./-]+\.md)\)/g))
      t.true(existsSync(join(root, file, "..", link)), `${file}: ${link}`);
  }
});

test("the page's table of architectures is the program's", (t) => {
  const rows = [...page.matchAll(/^\| ([\w-]+) \| (itself|-|[\w-]+) \| (any|together only) \|$/gm)].map((match) =>
    match.slice(1),
  );
  t.deepEqual(
    rows,
    prunableArchitectures().map(({ name, carrier, square }) => [
      name,
      carrier ?? (square ? "-" : "itself"),
      square ? "together only" : "any",
    ]),
  );
});
