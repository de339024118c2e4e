/** The commands and the example of docs/heal.md run, one after the other, with less data and fewer steps. */

import { readdirSync } from "node:fs";
import { runProgram } from "../support/page-program.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const blocks = blocksOf("docs/heal.md");

/** With less data and fewer steps. */
const shortened = (commands: string): string =>
  commands
    .replace(/--count \d+/g, "--count 40")
    .replace(/--max-steps \d+/g, "--max-steps 2")
    .replace(/--batch \d+/g, "--batch 4")
    .replace(/--eval-interval \d+/g, "--eval-interval 1")
    .replaceAll("npm run report:lookups -- --full", "npm run report:lookups -- --count 5 --full");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.true(commands.length >= 6);
  const stdout = await walk(folder, ...commands.map(shortened));
  t.regex(stdout, /│ healed\.gguf +│ \d+ \/ \d+ +│ \d+ \/ \d+ +│/);
  const made = readdirSync(folder).filter((name) => !name.endsWith(".checkpoint"));
  const models = [
    ...["pruned", "healed", "alone", "distilled", "lora", "new", "trained"],
    ...["maps", "mapped", "mapped-maps", "reader", "taught"],
  ].map((name) => `${name}.gguf`);
  const others = ["train.jsonl", "held-out.jsonl", "calibration.txt", "train-log.jsonl", "loss.svg", "test"];
  const answers = ["prompts.jsonl", "taught.gguf.answers.jsonl", "taught.gguf.answers.jsonl.progress"];
  t.deepEqual(made.sort(), [...models, ...others, ...answers].sort());

  const told: string[] = [];
  for (const example of blocks("js"))
    told.push((await runProgram(folder, example.replace(/maxSteps: \d+/, "maxSteps: 2"))).stdout);
  t.deepEqual(told, ["healed.gguf 2 true\n", "share 1\n"]);
});
