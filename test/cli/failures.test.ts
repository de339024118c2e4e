import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { type CommandOptions, runCommand } from "./command-process.js";

const prefill = String(demoPair.prefill.model);

/** One line on stderr, nothing on stdout. */
const failures: readonly (readonly [
  title: string,
  args: readonly string[],
  stderr: RegExp,
  exitCode: number,
  options?: CommandOptions,
])[] = [
  [
    "a model that is not there",
    ["run", "--prefill", "none.gguf", "-p", "x"],
    /^overfill: .*none\.gguf does not exist; `overfill suggest` finds models, .* \(ERR_MODEL_NOT_FOUND\)$/,
    1,
  ],
  ["a model to inspect that is not there", ["inspect", "none.gguf"], /\(ERR_MODEL_NOT_FOUND\)$/, 1],
  [
    "a prompt file that is not there",
    ["run", "-f", "none.txt"],
    /^overfill: none\.txt does not exist \(ERR_FILE_READ_FAILED\)$/,
    1,
  ],
  ["a grammar file that is not there", ["run", "--grammar-file", "none.gbnf"], /\(ERR_FILE_READ_FAILED\)$/, 1],
  ["a prompt that does not fit", ["run", "-p", " ball".repeat(2000)], /\(ERR_CONTEXT_OVERFLOW\)$/, 1],
  ["no such command", ["walk"], /^overfill: unknown command 'walk'$/, 2],
  ["no such flag", ["run", "--fast"], /^overfill: unknown option '--fast'$/, 2],
  ["a flag that is no number", ["run", "--temp", "warm"], /^overfill: option '--temp <t>'.* Expected a number\.$/, 2],
  ["a flag out of range", ["run", "--temp", "-1"], /^overfill: --temp: .*-1 \(ERR_INVALID_ARGUMENT\)$/, 2],
  ["a model's flag out of range", ["run", "-p", "x", "--gpu-layers", "-1"], /^overfill: --gpu-layers: .*-1/, 2],
  ["a context out of range", ["run", "-p", "x", "--context", "0"], /^overfill: --context: .*0/, 2],
  ["a context to inspect out of range", ["inspect", prefill, "--context", "1.5"], /^overfill: --context: .*1\.5$/, 2],
  ["a choice that there is not", ["run", "--handover", "steal"], /^overfill: option '--handover <kind>'.*steal/, 2],
  ["a bias without a token", ["run", "--logit-bias", "ball=1"], /Expected TOKEN=VALUE/, 2],
  [
    "a bias for no token",
    ["run", "-p", "x", "--logit-bias", "99999=1"],
    /^overfill: --logit-bias names token 99999/,
    2,
  ],
  ["an empty prompt", ["run", "-p", ""], /^overfill: the prompt is empty$/, 2],
  ["an empty stdin that was named", ["run", "-f", "-"], /^overfill: stdin is empty$/, 2, { stdin: "" }],
  ["no prompt for a named model", ["run", "--prefill", prefill], /^overfill: no prompt: give one with/, 2],
  ["an empty pipe as prompt", ["run", "--prefill", prefill], /^overfill: no prompt: /, 2, { stdin: "" }],
  ["two prompts", ["run", "-p", "x", "-f", "y"], /^overfill: option '-p.*cannot be used with option '-f/, 2],
  ["a decode model alone", ["run", "--decode", prefill], /^overfill: --decode needs --prefill/, 2],
  ["a GPU that is not here", ["run", "-p", "x", "--gpu", "metal"], /\(ERR_GPU_UNAVAILABLE\)$/, 1],
];

for (const [title, args, stderr, exitCode, options] of failures) {
  const macOnly = title === "a GPU that is not here" && process.platform === "darwin";
  (macOnly ? test.serial.skip : test.serial)(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const result = await runCommand(args, options);
    t.is(result.stdout, "");
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.stderr.trimEnd().split("\n").length, 1);
    t.is(result.exitCode, exitCode);
  });
}

test.serial("a broken grammar is told last, after llama.cpp's own words about it", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["run", "-p", "x", "--grammar", "root ::= ("]);
  t.is(stdout, "");
  t.regex(stderr, /^overfill: .*grammar.* \(ERR_GRAMMAR_INVALID\)\n$/m);
  t.is(exitCode, 1);
});

test.serial("an empty prompt file is refused by its name", async (t) => {
  const file = join(withTempDir(t), "empty.txt");
  writeFileSync(file, "");
  const { stderr, exitCode } = await runCommand(["run", "-f", file]);
  t.is(stderr, `overfill: the prompt in ${file} is empty\n`);
  t.is(exitCode, 2);
});

for (const args of [["--help"], ["run", "--help"], ["help", "inspect"], ["--version"]])
  test.serial(`${args.join(" ")} is answered on stdout`, async (t) => {
    const { stdout, stderr, exitCode } = await runCommand(args);
    t.regex(stdout, args[0] === "--version" ? /^\d+\.\d+\.\d+\S*\n$/ : /^Usage: overfill/);
    t.is(stderr, "");
    t.is(exitCode, 0);
  });

test("a file that cannot be read or written is told alike by every command", async (t) => {
  const model = String(demoPair.prefill.model);
  const written = "overfill: missing/x cannot be written: No such file or directory (ERR_FILE_WRITE_FAILED)\n";
  const read = "overfill: missing.txt does not exist (ERR_FILE_READ_FAILED)\n";
  for (const [stderr, ...args] of [
    [written, "eval", "--prefill", model, "--data", "d.jsonl", "-o", "missing/x"],
    [written, "heal", model, "--data", "d.jsonl", "-o", "y", "--plot", "missing/x"],
    [written, "prune", model, "-o", "missing/x", "--layers", "2"],
    [read, "eval", "--prefill", model, "--data", "missing.txt"],
    [read, "heal", model, "--mode", "sft", "--data", "missing.txt", "-o", "y"],
    [read, "run", "--prefill", model, "-f", "missing.txt"],
    [read, "run", "--prefill", model, "-p", "x", "--grammar-file", "missing.txt"],
    [read, "prune", model, "-o", "x", "--hidden", "0.5", "--text", "missing.txt"],
  ] as const)
    t.like(await runCommand(args), { stderr, exitCode: 1 }, args.join(" "));
});
