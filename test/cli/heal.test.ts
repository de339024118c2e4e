/** `overfill create` and `overfill heal` as commands: what they print, how they are stopped, and that they go on. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import anyTest, { type TestFn } from "ava";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { hashOf, writeLines } from "../train/fixtures.js";
import { finishCommand, runCommand, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{ data: string; heldOut: string; remove: () => Promise<void> }>;

/** A signal on Windows ends a process outright. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

const full = String(lookupPair.prefill.model);
const student = String(lookupPair.decode.model);

const records = (seed: number, count: number) =>
  lookups(seed, { count }).map(({ prompt, answer }) => ({ prompt, response: answer }));

test.before((t) => {
  const { path: folder, remove } = makeTempDir();
  const data = writeLines(join(folder, "train.jsonl"), records(11, 200));
  const heldOut = writeLines(join(folder, "held-out.jsonl"), records(12, 16));
  t.context = { data, heldOut, remove };
});
test.after.always((t) => t.context.remove?.());

const quiet = ["--threads", "1", "--gpu", "off"];

test.serial("a training tells steps, evaluations, bad lines and the file, and draws its losses", async (t) => {
  const { data, heldOut } = t.context;
  const folder = withTempDir(t);
  const [out, plot, log] = ["healed.gguf", "loss.svg", "log.jsonl"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const spoiled = writeLines(join(folder, "spoiled.jsonl"), ["{ no JSON", ...readFileSync(data, "utf8").split("\n")]);
  const { stdout, stderr, exitCode } = await runCommand([
    ...["heal", student, "--full", full, "--data", spoiled, "--eval", heldOut, "-o", out, ...quiet],
    ...["--max-steps", "4", "--eval-interval", "2", "--shuffle-window", "1", "--plot", plot, "--log", log],
  ]);
  t.is(exitCode, 0, stderr);
  t.true(stderr.includes(`${spoiled}:1: `), stderr);
  for (const step of [0, 2, 4]) t.regex(stderr, new RegExp(`^step ${step}: loss \\d+\\.\\d{4} on `, "m"));
  t.regex(stdout, /│ steps +│ 4 +│/);
  t.regex(stdout, /│ examples +│ 32 +│/);
  t.regex(stdout, /│ at the beginning, step 0 +│ +\d+\.\d{4} │/);
  t.regex(stdout, /^1 bad line was skipped\.$/m);
  t.true(stdout.includes(`Next: overfill run --prefill ${full} --decode ${out} -p TEXT`));
  t.regex(readFileSync(plot, "utf8"), /^<svg [\s\S]*<\/svg>\n$/);
  t.is(readFileSync(log, "utf8").trim().split("\n").length, 4 + 3, "steps and evaluations");
});

test.serial("a reader is trained to an adapter, and a dry run tells before what it takes", async (t) => {
  const { data } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "reader.gguf");
  const command = ["heal", student, "--train", "reader", "--full", full, "--data", data, "-o", out, ...quiet];
  const dry = await runCommand([...command, "--max-steps", "2", "--dry-run"]);
  t.is(dry.exitCode, 0, dry.stderr);
  t.regex(dry.stdout, /│ memory +│ [\d.]+ MiB +│/);
  t.regex(dry.stdout, /│ steps +│ 2 +│/);
  t.deepEqual(readdirSync(folder), []);
  const json = await runCommand([...command, "--max-steps", "2", "--dry-run", "--json"]);
  const { trainedParameters } = JSON.parse(json.stdout) as { trainedParameters: number };
  const { stdout, stderr, exitCode } = await runCommand([...command, "--max-steps", "2"]);
  t.is(exitCode, 0, stderr);
  t.true(stdout.includes(`│ ${trainedParameters.toLocaleString("en-US")} `), stdout);
  t.true(stdout.includes(`Next: overfill run --prefill ${full} --prefill-adapter ${out} --decode ${student} -p TEXT`));
  t.deepEqual(readdirSync(folder), ["reader.gguf"]);
});

test.serial("prompts are answered by the full model, and what it wrote is learned", async (t) => {
  const folder = withTempDir(t);
  const prompts = writeLines(join(folder, "prompts.jsonl"), records(13, 24));
  const out = join(folder, "healed.gguf");
  const args = ["heal", student, "--full", full, "--prompts", prompts, "-o", out, "--max-tokens", "8", ...quiet];
  const refused = await runCommand([...args, "--learning-rate", "2"]);
  t.is(refused.exitCode, 2, refused.stderr);
  t.deepEqual(readdirSync(folder), ["prompts.jsonl"]);
  const { stderr, stdout, exitCode } = await runCommand([...args, "--max-steps", "1", "--resume"]);
  t.is(exitCode, 0, stderr);
  t.regex(stderr, /\d+ responses are in .*answers\.jsonl/);
  t.regex(stdout, /│ steps +│ 1 +│/);
  const written = readFileSync(`${out}.answers.jsonl`, "utf8").trim().split("\n");
  t.true(written.length > 12);
  t.true(written.every((line) => "response" in JSON.parse(line)));
});

test.serial("a new model is made and trained from scratch", async (t) => {
  const folder = withTempDir(t);
  const made = join(folder, "new.gguf");
  const shape = "--hidden 64 --ffn 128 --layers 2 --heads 4 --kv-heads 2".split(" ");
  const created = await runCommand(["create", "-o", made, "--tokenizer", full, ...shape]);
  t.is(created.exitCode, 0, created.stderr);
  t.regex(created.stdout, /parameters with random values/);
  const out = join(folder, "trained.gguf");
  const args = ["heal", made, "--mode", "full", "--data", t.context.data, "-o", out, "--max-steps", "3", ...quiet];
  const trained = await runCommand([...args, "--learning-rate", "1e-3", "--json"]);
  t.is(trained.exitCode, 0, trained.stderr);
  t.is(trained.stderr, "");
  const result = JSON.parse(trained.stdout);
  t.is(result.losses.length, 3);
  t.is(result.path, out);
  const silent = await runCommand([...args, "--quiet"]);
  t.deepEqual(silent, { stdout: "", stderr: "", exitCode: 0, signal: null });
});

posixTest("Ctrl-C writes a checkpoint and says how to go on; a kill leaves the last one", async (t) => {
  const { data } = t.context;
  const train = (folder: string, ...more: string[]) => [
    ...["heal", student, "--full", full, "--data", data, "-o", join(folder, "o.gguf"), ...quiet],
    ...["--max-steps", "30", "--checkpoint-interval", "2", ...more],
  ];
  const whole = withTempDir(t);
  t.is((await runCommand(train(whole, "--quiet"))).exitCode, 0);

  const folder = withTempDir(t);
  const checkpoint = join(folder, "o.gguf.checkpoint");
  const changeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino;
  const stopAtCheckpoint = async (signal: "SIGINT" | "SIGKILL", ...more: string[]) => {
    const before = changeOf(checkpoint);
    const child = startCommand(train(folder, ...more));
    while (changeOf(checkpoint) === before && child.exitCode === null) await delay(5);
    child.kill(signal);
    return finishCommand(child);
  };
  const killed = await stopAtCheckpoint("SIGKILL");
  t.is(killed.signal, "SIGKILL");
  t.true(existsSync(checkpoint));
  t.false(existsSync(join(folder, "o.gguf")));

  const stopped = await stopAtCheckpoint("SIGINT", "--resume");
  // A fast machine may have come to the end.
  if (stopped.exitCode !== 0) {
    t.is(stopped.exitCode, 130);
    t.is(stopped.stdout, "");
    t.regex(
      stopped.stderr,
      /^Stopped (at step \d+ of 30|before its first step)\. The same command with --resume goes on/m,
    );
  }
  const resumed = await runCommand(train(folder, "--resume", "--quiet"));
  t.is(resumed.exitCode, 0, resumed.stderr);
  t.is(hashOf(join(folder, "o.gguf")), hashOf(join(whole, "o.gguf")));
  t.deepEqual(
    readdirSync(folder).filter((name) => name !== "o.gguf" && name !== "o.gguf.checkpoint"),
    [],
  );
});

const failures: readonly (readonly [title: string, more: readonly string[], stderr: RegExp, exitCode: number])[] = [
  ["no full model", [], /^overfill: --full: expected the model that reads the prompt/, 2],
  ["a full model that does nothing", ["--mode", "sft", "--full", full], /^overfill: --full: expected none in mode/, 2],
  ["a share out of range", ["--full", full, "--distil-share", "2"], /^overfill: --distil-share: .*2 \(ERR_INVALID/, 2],
  ["LoRA without a rank", ["--full", full, "--lora-alpha", "8"], /^overfill: --lora-rank: /, 2],
  ["maps without a file", ["--full", full, "--train-translator"], /^overfill: --train-translator: .*translatorOut/, 2],
  ["no evaluation to wait for", ["--full", full, "--patience", "2"], /^overfill: --patience: expected evalData/, 2],
  ["layers without meaning", ["--full", full, "--gpu-layers", "-1"], /^overfill: --gpu-layers: /, 2],
  ["a plot in no folder", ["--full", full, "--plot", "/none/at/all/loss.svg"], /\(ERR_FILE_WRITE_FAILED\)$/, 1],
  ["data that is not there", ["--full", full], /^overfill: .*none\.jsonl.* \(ERR_FILE_READ_FAILED\)$/, 1],
];

for (const [title, more, stderr, exitCode] of failures)
  test.serial(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const out = join(withTempDir(t), "o.gguf");
    const result = await runCommand(["heal", student, "--data", "none.jsonl", "-o", out, ...quiet, ...more]);
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.stderr.trimEnd().split("\n").length, 1);
    t.is(result.stdout, "");
    t.is(result.exitCode, exitCode);
  });

test.serial("a shape that no model has is told by its flag", async (t) => {
  const args = "create -o o.gguf --tokenizer t.gguf --hidden 70 --ffn 8 --layers 1 --heads 4 --kv-heads 2".split(" ");
  const { stderr, exitCode } = await runCommand(args);
  t.regex(stderr, /^overfill: --head-size: expected one, since 70 \/ 4 is not an even number/);
  t.is(exitCode, 2);
});
