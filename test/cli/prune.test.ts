/** `overfill prune`, `importance` and `pad` as commands, and `overfill inspect` of what they made. */

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import anyTest, { type TestFn } from "ava";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { finishCommand, runCommand, showsProgress, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{ folder: string; text: string; remove: () => Promise<void> }>;

/** A signal on Windows ends a process outright, and there is no limit on the size of files. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

const full = String(lookupPair.prefill.model);

test.before((t) => {
  const { path: folder, remove } = makeTempDir();
  const text = join(folder, "lookups.txt");
  const pairs = lookups(1, { count: 200 });
  writeFileSync(text, pairs.map(({ prompt, answer }) => `${prompt}${answer}`).join("\n"));
  t.context = { folder, text, remove };
});

test.after.always((t) => t.context.remove?.());

const quiet = ["--threads", "1", "--gpu", "off"];
const pruneArgs = (out: string, ...more: string[]) => ["prune", full, "-o", out, ...quiet, "--window", "128", ...more];

test.serial("the first command of the guide prunes a model that inspect says shares, and that runs", async (t) => {
  const { folder, text } = t.context;
  const out = join(folder, "decode.gguf");
  const { stdout, stderr, exitCode } = await runCommand(
    pruneArgs(out, "--hidden", "0.45", "--ffn", "0.45", "--text", text),
  );
  t.is(exitCode, 0, stderr);
  t.is(stderr, "");
  t.regex(stdout, /│ hidden size +│ +128 │ +64 │ +50\.0% │/);
  t.regex(stdout, /│ parameters +│ +869,504 │/);
  t.regex(stdout, /^Hidden size: 70 asked for, 64 kept, a multiple of 32\.$/m);
  t.regex(stdout, /^Feed-forward size: 211 asked for, 192 kept, a multiple of \d+\.$/m);
  t.regex(stdout, /^By this rounding the model has about \d+\.\d% fewer parameters than asked for\.$/m);
  t.regex(stdout, /^Importance was measured on [\d,]+ samples, [\d,]+ tokens\.$/m);
  t.regex(stdout, /│ the full model +│ +\d+\.\d{4} │/);
  t.regex(stdout, /│ the pruned model, alone +│ +\d+\.\d{4} │/);
  t.true(stdout.includes(`overfill inspect ${full} ${out}`));

  const inspected = await runCommand(["inspect", full, out]);
  t.regex(inspected.stdout, /^Pair: share, /m);
  const used = await runCommand([
    "run",
    "--prefill",
    full,
    "--decode",
    out,
    "-p",
    " Anna",
    "--max-tokens",
    "3",
    "--json",
  ]);
  t.is(used.exitCode, 0, used.stderr);
  t.is(JSON.parse(used.stdout).handover.kind, "share");
});

test.serial("importance is measured, explained and used", async (t) => {
  const { folder, text } = t.context;
  const file = join(folder, "full.importance.gguf");
  const measured = await runCommand(["importance", full, "-o", file, "--text", text, "--window", "128", ...quiet]);
  t.is(measured.exitCode, 0, measured.stderr);
  t.is(measured.stderr, "");
  t.regex(measured.stdout, /│ architecture +│ llama +│/);
  t.regex(measured.stdout, /│ +3 │ +\d\.\d{4} │ +\d+\.\d% │ +\d+\.\d% │/);
  const inspected = await runCommand(["inspect", file]);
  t.is(inspected.exitCode, 0, inspected.stderr);
  t.is(inspected.stdout, measured.stdout);
  const json = JSON.parse((await runCommand(["inspect", file, "--json"])).stdout);
  t.is(json.hidden.signed.length, 128);
  const plot = await runCommand(["inspect", file, "--plot", join(folder, "x.svg")]);
  t.regex(plot.stderr, /only a translator has errors to draw/);

  const merged = join(folder, "merged.gguf");
  const more = await runCommand([
    ...["importance", full, "-o", merged, "--text", text, "--merge", file, "--window", "128", "--json", ...quiet],
  ]);
  t.is(JSON.parse(more.stdout).samples, 2 * json.samples);

  const out = join(folder, "by-importance.gguf");
  const pruned = await runCommand(pruneArgs(out, "--target-size", "0.5M", "--importance", merged, "--json"));
  t.is(pruned.exitCode, 0, pruned.stderr);
  const result = JSON.parse(pruned.stdout);
  t.true(result.after.parameters <= 500_000);
  t.is(result.kept.hidden.length, result.after.hiddenSize);
  t.false("loss" in result);
});

test.serial("pad names its file after the model, and does not replace one that nobody named", async (t) => {
  const { text } = t.context;
  const folder = withTempDir(t);
  const odd = join(folder, "decode.gguf");
  const made = await runCommand(pruneArgs(odd, "--hidden", "0.45", "--multiple", "1", "--text", text, "--quiet"));
  t.deepEqual(made, { stdout: "", stderr: "", exitCode: 0, signal: null });
  const { stdout, stderr, exitCode } = await runCommand(["pad", odd, "--multiple", "32", "--threads", "1"]);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /│ hidden size +│ +70 │ +96 │/);
  t.true(existsSync(join(folder, "decode-padded.gguf")));
  const again = await runCommand(["pad", odd, "--multiple", "32"]);
  t.regex(again.stderr, /^overfill: .*decode-padded\.gguf already exists: name another file with --out\n$/);
  t.is(again.exitCode, 2);
  const named = await runCommand([
    ...["pad", odd, "-o", join(folder, "decode-padded.gguf"), "--multiple", "32", "--quantize", "Q8_0", "--json"],
  ]);
  t.is(JSON.parse(named.stdout).type, "q8_0");
  t.deepEqual(readdirSync(folder).sort(), ["decode-padded.gguf", "decode.gguf"]);
});

test.serial("the architectures that can be pruned are a table", async (t) => {
  const { stdout, exitCode } = await runCommand(["prune", "--architectures"]);
  t.is(exitCode, 0);
  t.regex(stdout, /│ llama +│ llama +│ any +│/);
  const rows = JSON.parse((await runCommand(["prune", "--architectures", "--json"])).stdout);
  t.true(rows.some(({ name }: { name: string }) => name === "llama"));
});

const failures: readonly (readonly [title: string, more: readonly string[], stderr: RegExp, exitCode: number])[] = [
  ["a text that is not there", ["--text", "none.txt"], /^overfill: .*none\.txt .*\(ERR_FILE_READ_FAILED\)$/, 1],
  ["a folder that is not there", ["-o", "/none/p.gguf"], /\(ERR_FILE_WRITE_FAILED\)$/, 1],
  ["a ratio out of range", ["--hidden", "1.5"], /^overfill: --hidden: .*1\.5 \(ERR_INVALID_ARGUMENT\)$/, 2],
  ["nothing left", ["--ffn", "0.999"], /^overfill: --ffn: nothing would be left.* \(ERR_INVALID_ARGUMENT\)$/, 2],
  ["layers without order", ["--layers", "2,1"], /^overfill: --layers: .*ascending/, 2],
  ["layers without meaning", ["--layers", "some"], /^overfill: option '--layers <size>'.*Expected a share/, 2],
  ["a layer that is not there", ["--layers", "0,9"], /^overfill: --layers: .*layer 9/, 2],
  ["a size without meaning", ["--target-size", "big"], /^overfill: --target-size: expected a number of parameters/, 2],
  ["a target that is too small", ["--target-size", "1K"], /^overfill: --target-size: .*smallest model/, 2],
  ["an unknown type", ["--quantize", "q9"], /^overfill: --quantize: expected one of "same", "f32", .*"q9"/, 2],
  ["two targets", ["--target-size", "1M", "--target-bytes", "1MB"], /^overfill: option '--target-size <n>' cannot/, 2],
];

for (const [title, more, stderr, exitCode] of failures)
  test.serial(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const folder = withTempDir(t);
    const sized = more.some((flag) => /^--(hidden|ffn|layers|target)/.test(flag));
    const sizes = sized ? [] : ["--hidden", "0.5"];
    const result = await runCommand(pruneArgs(join(folder, "p.gguf"), "--text", t.context.text, ...sizes, ...more));
    t.is(result.stdout, "");
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.stderr.trimEnd().split("\n").length, 1);
    t.is(result.exitCode, exitCode);
    t.deepEqual(readdirSync(folder), []);
  });

test.serial("a text that is too short is told", async (t) => {
  const folder = withTempDir(t);
  const text = join(folder, "short.txt");
  writeFileSync(text, " Anna ball");
  const { stderr, exitCode } = await runCommand(pruneArgs(join(folder, "p.gguf"), "--text", text, "--hidden", "0.5"));
  t.regex(stderr, /^overfill: --text: .*window.* \(ERR_INVALID_ARGUMENT\)\n$/);
  t.is(exitCode, 2);
  t.deepEqual(readdirSync(folder), ["short.txt"]);
});

test.serial("what is missing is told", async (t) => {
  const none = await runCommand(["prune"]);
  t.deepEqual([none.stderr, none.exitCode], ["overfill: missing required argument 'model'\n", 2]);
  const noOut = await runCommand(["prune", full]);
  t.regex(noOut.stderr, /^overfill: required option '-o, --out <file>' not specified\n$/);
  const noSize = await runCommand(["prune", full, "-o", "p.gguf"]);
  t.regex(noSize.stderr, /^overfill: nothing to prune: give --hidden, /);
  const noText = await runCommand(["importance", full, "-o", "i.gguf"]);
  t.regex(noText.stderr, /^overfill: --text: expected a text to measure on, or files to merge/);
  t.is(noText.exitCode, 2);
  const noModel = await runCommand(["pad"]);
  t.regex(noModel.stderr, /^overfill: missing required argument 'model'\n$/);
});

posixTest("a file that cannot grow fails with a code and is not left behind", async (t) => {
  const folder = withTempDir(t);
  // Blocks of 512 or 1024 bytes; Node ignores the signal, so that writing fails as it does on a full disk.
  const command = [process.execPath, fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))];
  const args = pruneArgs(join(folder, "p.gguf"), "--layers", "2");
  const child = spawn("sh", ["-c", 'ulimit -f 200; exec "$0" "$@"', ...command, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stderr, exitCode } = await finishCommand(child);
  t.regex(stderr, /^overfill: .*\(ERR_FILE_WRITE_FAILED\)\n$/);
  t.is(exitCode, 1);
  t.deepEqual(readdirSync(folder), []);
});

posixTest("Ctrl-C ends a prune quietly with status 130 and leaves no file", async (t) => {
  const { folder, text } = t.context;
  const long = join(folder, "long.txt");
  // Minutes of text, so that no measurement is over before its signal comes.
  writeFileSync(long, readFileSync(text, "utf8").repeat(500));
  const target = withTempDir(t);
  const child = startCommand(pruneArgs(join(target, "p.gguf"), "--hidden", "0.5", "--text", long), {
    observed: "terminal",
  });
  await showsProgress(child);
  child.kill("SIGINT");
  const { stdout, stderr, exitCode } = await finishCommand(child);
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 130 });
  t.notRegex(stderr, /overfill:/);
  t.deepEqual(readdirSync(target), []);
});
