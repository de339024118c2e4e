/** What commands write: where `-` and the standard streams go, what is respected, and what a signal leaves. */

import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import anyTest, { type TestFn } from "ava";
import { makeProgram } from "../../lib/cli/program.js";
import type { EvaluationReport } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { writeLines } from "../train/fixtures.js";
import { finishCommand, runCommand, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{ evaluation: string[]; remove: () => Promise<void> }>;

/** Modes, links and signals are others on Windows. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

const full = String(lookupPair.prefill.model);

test.before((t) => {
  const { path: folder, remove } = makeTempDir();
  const records = lookups(8, { count: 2 }).map(({ prompt, answer }) => ({ prompt, response: answer }));
  const data = writeLines(join(folder, "held-out.jsonl"), records);
  const quick = ["--threads", "1", "--gpu", "off", "--resamples", "100", "--timed-tokens", "0"];
  t.context = { evaluation: ["eval", "--prefill", full, "--data", data, ...quick], remove };
});
test.after.always((t) => t.context.remove?.());

for (const name of process.platform === "win32" ? ["-"] : ["-", "/dev/stdout"])
  test.serial(`a report written to ${name} is all that comes out on stdout`, async (t) => {
    const { stdout, stderr, exitCode } = await runCommand([...t.context.evaluation, "--out", name]);
    t.is(exitCode, 0, stderr);
    t.like(JSON.parse(stdout) as EvaluationReport, { task: "responses", examples: 2 });
  });

test.serial("each line of the samples comes out on stdout", async (t) => {
  const { stdout, exitCode } = await runCommand([...t.context.evaluation, "--samples", "-"]);
  t.is(exitCode, 0);
  for (const line of stdout.trimEnd().split("\n")) t.is(typeof JSON.parse(line), "object");
});

test.serial("a plot is all that comes out on stdout", async (t) => {
  const { stdout, exitCode } = await runCommand([...t.context.evaluation, "--plot", "-"]);
  t.is(exitCode, 0);
  t.regex(stdout, /^<svg .*<\/svg>\n?$/s);
});

posixTest("a report goes through a link and keeps the mode of what it replaces", async (t) => {
  const folder = withTempDir(t);
  const [real, link] = [join(folder, "real.json"), join(folder, "link.json")];
  writeFileSync(real, "old");
  chmodSync(real, 0o664);
  symlinkSync("real.json", link);
  const { stderr, exitCode } = await runCommand([...t.context.evaluation, "--out", link]);
  t.is(exitCode, 0, stderr);
  t.true(lstatSync(link).isSymbolicLink());
  t.like(JSON.parse(readFileSync(real, "utf8")) as EvaluationReport, { examples: 2 });
  t.is(statSync(real).mode & 0o777, 0o664);
  t.deepEqual(readdirSync(folder).sort(), ["link.json", "real.json"]);
});

for (const flag of ["--out", "--plot", "--samples"])
  posixTest(`a place that cannot be written to is told before the work begins: ${flag}`, async (t) => {
    const folder = withTempDir(t);
    const readOnly = join(folder, "read-only");
    writeFileSync(readOnly, "precious");
    chmodSync(readOnly, 0o444);
    for (const [path, reason] of [
      [readOnly, "it is read-only"],
      [folder, "it is a folder"],
      [join(folder, "none", "a"), "No such file or directory"],
      [join(readOnly, "a"), "Not a directory"],
      [join(folder, "a".repeat(300)), "File name too long"],
    ] as const) {
      const { stdout, stderr, exitCode } = await runCommand([...t.context.evaluation, flag, path]);
      t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 1 });
      t.is(stderr, `overfill: ${path} cannot be written: ${reason} (ERR_FILE_WRITE_FAILED)\n`);
    }
    t.is(readFileSync(readOnly, "utf8"), "precious");
    t.deepEqual(readdirSync(folder), ["read-only"]);
  });

test.serial("a model does not go to stdout", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["prune", full, "-o", "-", "--layers", "1"]);
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 2 });
  t.regex(stderr, /^overfill: .*--out.* Expected the name of a file/);
});

test.serial("nothing is written to a file named -", async (t) => {
  // These go to stdout, by outputs.ts.
  const streams = [
    ...["bench --out", "bench --plot", "eval --out", "eval --plot", "eval --samples"],
    ...["heal --plot", "inspect --plot"],
  ];
  const outputs = makeProgram().commands.flatMap((command) =>
    command.options
      .filter(({ description }) => /^(also |where to )?(write|draw)\b/.test(description))
      .map((option) => ({ name: `${command.name()} ${option.long}`, option })),
  );
  t.true(outputs.length > streams.length + 8);
  for (const name of streams)
    t.true(
      outputs.some((output) => output.name === name),
      name,
    );
  for (const { name, option } of outputs.filter((output) => !streams.includes(output.name)))
    t.throws(() => option.parseArg?.("-", undefined), { message: /^Expected the name of a file/ }, name);
});

test.serial("a log that goes on in a resumed training does not go to stdout", async (t) => {
  const args = ["heal", full, "--mode", "sft", "--data", "none.jsonl", "-o", "x.gguf", "--log", "-"];
  const { stdout, stderr, exitCode } = await runCommand(args);
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 2 });
  t.regex(stderr, /^overfill: .*--log.* Expected the name of a file/);
});

posixTest("a model that is replaced through a link keeps its mode", async (t) => {
  const folder = withTempDir(t);
  const [real, link] = [join(folder, "real.gguf"), join(folder, "link.gguf")];
  closeSync(openSync(real, "w"));
  chmodSync(real, 0o640);
  symlinkSync(real, link);
  const { stderr, exitCode } = await runCommand(["prune", full, "-o", link, "--layers", "1", "--quiet"]);
  t.is(exitCode, 0, stderr);
  t.true(lstatSync(link).isSymbolicLink());
  t.is(readFileSync(real).toString("latin1", 0, 4), "GGUF");
  t.is(statSync(real).mode & 0o777, 0o640);
});

/** Starts a prune of some size and waits until it writes the model. */
async function startWriting(folder: string) {
  const model = join(folder, "model.gguf");
  const shape = { nEmbd: 512, nFf: 1408, nLayers: 8, nHeads: 16, nKvHeads: 4 } as const;
  await writeTinyModel(model, { ...shape, weightType: "f16" });
  const args = ["prune", model, "-o", join(folder, "out.gguf"), "--layers", "7", "--quantize", "q4_k_m"];
  const child = startCommand([...args, "--threads", "1", "--gpu", "off"]);
  // A listing with what is inside fails where a folder goes while it is read.
  const isWriting = () =>
    readdirSync(folder).some((name) => name.startsWith(".overfill-") && existsSync(join(folder, name, "out.gguf")));
  while (!isWriting() && child.exitCode === null) await nextTurn();
  return child;
}

for (const [name, expected] of [
  ["SIGHUP", 129],
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)
  posixTest(`${name} while a model is written leaves nothing`, async (t) => {
    const folder = withTempDir(t);
    const child = await startWriting(folder);
    child.kill(name);
    const { exitCode } = await finishCommand(child);
    t.is(exitCode, expected);
    t.deepEqual(readdirSync(folder), ["model.gguf"]);
  });

posixTest("SIGKILL leaves a hidden folder, and the next command that writes there removes it", async (t) => {
  const folder = withTempDir(t);
  const child = await startWriting(folder);
  child.kill("SIGKILL");
  const { signal } = await finishCommand(child);
  t.is(signal, "SIGKILL");
  const [left, ...others] = readdirSync(folder).sort();
  t.regex(String(left), /^\.overfill-[0-9a-f]{16}\.part$/);
  t.deepEqual(others, ["model.gguf"]);
  const { stderr, exitCode } = await runCommand(["prune", full, "-o", join(folder, "out.gguf"), "--layers", "1"]);
  t.is(exitCode, 0, stderr);
  t.deepEqual(readdirSync(folder).sort(), ["model.gguf", "out.gguf"]);
});
