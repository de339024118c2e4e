import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { demoPair, demoPrompt, demoQuestions } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand } from "./command-process.js";

const [{ answer } = { answer: "" }, other = { prompt: "", answer: "" }] = demoQuestions;
const prefill = String(demoPair.prefill.model);
const decode = String(demoPair.decode.model);

test.serial("the text on stdout is exactly the answer, the stages are on stderr", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["run", "-p", demoPrompt]);
  t.is(stdout, answer);
  t.is(exitCode, 0);
  const [first, second, third, last, rest] = stderr.split("\n");
  t.regex(first ?? "", /^prefill +53 tokens +[\d.]+ m?s +[\d.,]+ tokens\/s$/);
  t.regex(second ?? "", /^switch +53 tokens +[\d.]+ m?s +share, 0 bytes moved$/);
  t.regex(third ?? "", /^decode +16 tokens +[\d.]+ m?s +[\d.,]+ tokens\/s$/);
  t.regex(last ?? "", /^finish +eos: the model ended the answer$/);
  t.is(rest, "");
});

test.serial("a prompt comes from a file, without the line break at its end", async (t) => {
  const file = join(withTempDir(t), "prompt.txt");
  writeFileSync(file, `${other.prompt}\r\n`);
  const { stdout, exitCode } = await runCommand(["run", "--quiet", "-f", file]);
  t.is(stdout, other.answer);
  t.is(exitCode, 0);
});

test.serial("a prompt comes from stdin", async (t) => {
  const { stdout, stderr } = await runCommand(["run", "--quiet"], { stdin: `${other.prompt}\n` });
  t.is(stdout, other.answer);
  t.is(stderr, "");
});

test.serial('"-f -" waits for stdin', async (t) => {
  const { stdout } = await runCommand(["run", "-f", "-"], { stdin: other.prompt });
  t.is(stdout, other.answer);
});

test.serial("-p wins over a pipe that never ends", async (t) => {
  const { stdout } = await runCommand(["run", "-p", demoPrompt], { stdin: "silent" });
  t.is(stdout, answer);
});

test.serial("two models that are named are the pair", async (t) => {
  const models = ["--prefill", prefill, "--decode", decode];
  const { stdout } = await runCommand(["run", ...models, "--temp", "0", "-p", other.prompt]);
  t.is(stdout, other.answer);
});

test.serial("a prefill model without a decode model is a pair of one", async (t) => {
  const args = ["run", "--prefill", prefill, "--temp", "0", "--stop", "\n", "--json", "-p", demoPrompt];
  const { stdout } = await runCommand(args);
  const result = JSON.parse(stdout);
  t.is(result.text, answer);
  t.true(result.pair.plan.oneModel);
  t.deepEqual(result.pair.files, { prefill, decode: prefill });
});

test.serial("--json prints one object and nothing else", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["run", "--json", "-p", demoPrompt, "--context", "512"]);
  t.is(exitCode, 0);
  t.is(stderr, "");
  t.regex(stdout, /^\{.*\}\n$/);
  const result = JSON.parse(stdout);
  t.deepEqual(Object.keys(result), ["text", "tokens", "prefill", "handover", "decode", "pair"]);
  t.is(result.text, answer);
  t.is(result.tokens.length, 16);
  t.is(result.prefill.promptTokens, 53);
  t.like(result.handover, { kind: "share", bytes: 0, tokens: 53 });
  t.like(result.decode, { reason: "eos", tokens: 16 });
  t.like(result.pair, { contextSize: 512, threads: 1, files: { prefill, decode } });
});

const endings: readonly (readonly [title: string, args: readonly string[], text: string, finish: RegExp])[] = [
  ["--max-tokens ends the answer", ["--max-tokens", "1"], " 3", /^finish +length: --max-tokens was reached$/m],
  [
    "--stop ends the answer before its text",
    ["--stop", " gray"],
    " 3",
    /^finish +stop " gray": a stop text was reached$/m,
  ],
  ["--stop can be repeated", ["--stop", "x", "--stop", " lamps"], " 3 gray", /^finish +stop " lamps"/m],
];

for (const [title, args, text, finish] of endings) {
  test.serial(title, async (t) => {
    const { stdout, stderr } = await runCommand(["run", "-p", demoPrompt, ...args]);
    t.is(stdout, text);
    t.regex(stderr, finish);
  });
}

test.serial("--logit-bias forbids a token", async (t) => {
  const { tokens } = JSON.parse((await runCommand(["run", "--json", "-p", demoPrompt])).stdout);
  const { stdout } = await runCommand(["run", "--quiet", "-p", demoPrompt, "--logit-bias", `${tokens[0]}=-inf`]);
  t.false(stdout.startsWith(" 3"));
});

test.serial("a grammar, given or in a file, holds the answer", async (t) => {
  const grammar = 'root ::= " hat" " green"';
  const file = join(withTempDir(t), "grammar.gbnf");
  writeFileSync(file, `${grammar}\n`);
  for (const args of [
    ["--grammar", grammar],
    ["--grammar-file", file],
  ])
    t.is((await runCommand(["run", "--quiet", "-p", demoPrompt, ...args])).stdout, " hat green");
});

test.serial("the same seed gives the same answer", async (t) => {
  const args = ["run", "--quiet", "-p", demoPrompt, "--temp", "5", "--top-k", "0", "--top-p", "1", "--min-p", "0"];
  const answers = await Promise.all(
    ["7", "7", "8"].map(async (seed) => (await runCommand([...args, "--max-tokens", "20", "--seed", seed])).stdout),
  );
  t.is(answers[0], answers[1]);
  t.not(answers[0], answers[2]);
});

test.serial("with refreshes the summary tells how many tokens were read again, and how often", async (t) => {
  const args = ["run", "-p", demoPrompt, "--ignore-eos", "--max-tokens", "20", "--refresh-interval"];
  const often = await runCommand([...args, "8"]);
  t.is(often.exitCode, 0);
  t.regex(often.stderr, /^refresh +16 tokens .* 2 times, [\d.]+% more time$/m);
  t.regex((await runCommand([...args, "19"])).stderr, /^refresh +19 tokens .* once, [\d.]+% more time$/m);
  t.notRegex((await runCommand([...args, "20"])).stderr, /^refresh/m);
});

test.serial("an exact answer is the full model's, and the summary tells what became of the drafts", async (t) => {
  const args = ["run", "-p", demoPrompt, "--max-tokens", "20"];
  const exact = await runCommand([...args, "--quality", "exact"]);
  t.is(exact.exitCode, 0);
  t.regex(exact.stderr, /^drafts +\d+ tokens? +\d+ kept and \d+ replaced in \d+ checks$/m);
  // The demo pair's models agree on this prompt.
  t.is(exact.stdout, (await runCommand(args)).stdout);
});

test.serial("--refresh-budget is a share, and not beside a quality that is checked", async (t) => {
  const args = ["run", "-p", demoPrompt, "--ignore-eos", "--max-tokens", "60", "--refresh-budget"];
  const fine = await runCommand([...args, "1"]);
  t.is(fine.exitCode, 0);
  const wrong = await runCommand([...args, "1.5"]);
  t.is(wrong.exitCode, 2);
  t.regex(wrong.stderr, /--refresh-budget: expected a number above 0, up to 1; got 1\.5/);
  const both = await runCommand([...args, "0.1", "--quality", "exact"]);
  t.is(both.exitCode, 2);
  t.regex(both.stderr, /--refresh-budget: expected none with a quality that the prefill model checks/);
});

const qualities = [
  ["2", /--quality: expected a number above 0, up to 1; got 2/],
  ["best", /Expected fast, exact or a share such as 0\.3/],
] as const;
for (const [quality, message] of qualities)
  test.serial(`--quality ${quality} is refused`, async (t) => {
    const { stderr, exitCode } = await runCommand(["run", "-p", demoPrompt, "--quality", quality]);
    t.is(exitCode, 2);
    t.regex(stderr, message);
  });

test.serial("a full context ends the answer", async (t) => {
  const { stderr, exitCode } = await runCommand(["run", "-p", demoPrompt, "--ignore-eos", "--context", "256"]);
  t.is(exitCode, 0);
  t.regex(stderr, /^finish +context: the context is full$/m);
});

test.serial("output that is not a terminal has no colours and no progress bar", async (t) => {
  const { stdout, stderr } = await runCommand(["run"]);
  t.false(`${stdout}${stderr}`.includes("\u001b"));
});
