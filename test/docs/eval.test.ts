/** The commands and the example of docs/eval.md run, one after the other, with less data. */

import { readdirSync } from "node:fs";
import test from "ava";
import { metricNames } from "../../lib/eval/metrics/index.js";
import { readPage, runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const page = readPage("docs/eval.md").text;
const blocks = blocksOf("docs/eval.md");

/** With less data. */
const shortened = (commands: string): string => commands.replace(/--count \d+/g, "--count 16");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.is(commands.length, 4);
  const stdout = await walk(folder, ...commands.map(shortened));
  for (const task of ["predicting responses, 16", "generating answers, 16", "choosing, 2"])
    t.true(stdout.includes(`: ${task} examples, `), stdout);
  t.regex(stdout, /^text\.txt: predicting responses, \d+ examples, /m);
  t.notRegex(stdout, /bad line|NaN|undefined/);
  const made = [
    "held-out.jsonl",
    "report.json",
    "nearness.svg",
    "answers.jsonl",
    "scores.svg",
    "choices.jsonl",
    "text.txt",
  ];
  t.deepEqual(readdirSync(folder).sort(), [...made, "test"].sort());

  const [example, ...more] = blocks("js");
  t.is(more.length, 0);
  const { stdout: told, stderr } = await runProgram(folder, example ?? "");
  t.is(stderr, "");
  t.regex(told, /^prefill \{\n {2}value: 1\.\d+/);
  t.regex(told, /\ntrue\n$/);
});

test("every metric is explained", (t) => {
  for (const name of Object.values(metricNames).flat()) t.true(page.includes(`\`${name}\``), name);
});
