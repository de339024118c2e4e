import test from "ava";
import { demoQuestions } from "../../lib/engine/demo-pair.js";
import { type CommandOptions, runCommand } from "./command-process.js";

const stdins: readonly (readonly [title: string, options: CommandOptions])[] = [
  ["no stdin", {}],
  ["an empty stdin", { stdin: "" }],
  ["a stdin with a line break only", { stdin: "\n" }],
  ["a stdin that stays open and silent", { stdin: "silent" }],
];

for (const [title, options] of stdins) {
  test.serial(`with ${title} the demo shows its story and both answers`, async (t) => {
    const { stdout, stderr, exitCode } = await runCommand(["run"], options);
    t.is(exitCode, 0);
    t.is(stderr, "");
    t.regex(stdout, /^ {2}Rosnek has 17 blue keys in the attic \.$/m);
    t.regex(stdout, /^ {2}Sort from 3 to 20 :$/m);
    t.regex(stdout, /│ switch +│ [^│]+ │ 53 tokens │ +[\d.]+ ms │ share, 0 bytes moved │/);
    t.regex(stdout, /│ two stages +│ demo-prefill.gguf │ demo-decode.gguf │ 3 gray lamps [^│]+ │ right │/);
    t.regex(stdout, /│ decode model alone +│ demo-decode.gguf +│ demo-decode.gguf │ .+ │ wrong │/);
  });
}

test.serial("the demo's rates are those that it measured", async (t) => {
  const { stdout } = await runCommand(["run"]);
  const [, two, all, alone] = /: (\d+) of (\d+) right in two stages, (\d+) of/.exec(stdout) ?? [];
  t.is(Number(all), demoQuestions.length);
  t.true(Number(two) >= demoQuestions.length - 1);
  t.true(Number(alone) < Number(two) / 2);
});

test.serial("--json gives the demo as one object", async (t) => {
  const { stdout, stderr } = await runCommand(["run", "--json"]);
  const result = JSON.parse(stdout);
  t.is(stderr, "");
  t.like(result, { text: demoQuestions[0]?.answer, questions: demoQuestions.length });
  t.is(result.handover.kind, "share");
  t.not(result.decodeModelAlone.text, result.text);
  t.is(result.prompt, demoQuestions[0]?.prompt);
});
