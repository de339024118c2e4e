import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { finishCommand, runCommand, startCommand, toldBy } from "./command-process.js";

const test = anyTest as TestFn<{ args: string[]; remove: () => Promise<void> }>;
/** A signal on Windows ends a process outright: there is nothing to test. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "long.gguf");
  // Minutes of text, so that no answer is over before its signal comes.
  await writeTinyModel(model, { contextLength: 1_000_000, nEmbd: 256, nFf: 1024 });
  t.context = {
    args: ["run", "--prefill", model, "--context", "200000", "--threads", "1", "--ignore-eos", "-p", "Go on"],
    remove,
  };
});

test.after.always((t) => t.context.remove?.());

for (const [name, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  posixTest(`${name} in the middle of an answer ends the command with ${exitCode}`, async (t) => {
    const child = startCommand(t.context.args);
    await once(child.stdout ?? child, "readable");
    child.kill(name);
    const { stdout, stderr, exitCode: actual, signal } = await finishCommand(child);
    t.deepEqual({ actual, signal }, { actual: exitCode, signal: null });
    t.true(stdout.length > 0);
    t.regex(stderr, /^decode +[\d,]+ tokens?/m);
    t.regex(stderr, /^finish +abort: stopped$/m);
    t.notRegex(stderr, /overfill:/);
  });

/** A pipe that takes not a byte more, and that nobody reads. */
function openFullPipe(folder: string): number {
  const path = join(folder, "full");
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  for (const size of [4096, 1])
    try {
      for (;;) writeSync(pipe, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  return pipe;
}

posixTest("an interrupted --json prints no half object", async (t) => {
  const child = startCommand([...t.context.args, "--json"], { observed: true });
  await toldBy(child, "listens");
  child.kill("SIGINT");
  const { stdout, stderr, exitCode } = await finishCommand(child);
  t.deepEqual({ stdout, stderr, exitCode }, { stdout: "", stderr: "", exitCode: 130 });
});

posixTest("SIGINT ends the wait for stdin", async (t) => {
  const child = startCommand(["run", "-f", "-"], { stdin: "silent", observed: true });
  await toldBy(child, "listens");
  child.kill("SIGINT");
  const { exitCode } = await finishCommand(child);
  t.is(exitCode, 130);
});

posixTest("SIGINT stops an answer that nobody takes", async (t) => {
  const stdout = openFullPipe(withTempDir(t));
  t.teardown(() => closeSync(stdout));
  const child = startCommand([...t.context.args, "--quiet"], { observed: true, stdout });
  // From then on the command waits for its reader.
  await toldBy(child, "full");
  child.kill("SIGINT");
  const [exitCode] = await once(child, "exit");
  t.is(exitCode, 130);
});

posixTest("a reader that goes away ends the command without a word", async (t) => {
  const child = startCommand([...t.context.args, "--quiet"]);
  await once(child.stdout ?? child, "readable");
  child.stdout?.destroy();
  const [exitCode, signal] = await once(child, "exit");
  t.deepEqual({ exitCode, signal }, { exitCode: 0, signal: null });
  t.is(child.stderr?.read() ?? "", "");
});

test.serial("an answer that is cut short by its length still ends well", async (t) => {
  const { stdout, exitCode } = await runCommand([...t.context.args, "--quiet", "--max-tokens", "5"]);
  t.true(stdout.length > 0);
  t.is(exitCode, 0);
});
