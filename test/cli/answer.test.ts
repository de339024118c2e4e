/** `overfill answer` as a command: what it prints, how it is stopped, and that it goes on. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { AnswerPromptsResult } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeLines } from "../train/fixtures.js";
import { finishCommand, runCommand, startCommand } from "./command-process.js";

/** A signal on Windows ends a process outright. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

const full = String(lookupPair.prefill.model);

function prepare(t: ExecutionContext, count: number) {
  const folder = withTempDir(t);
  const data = writeLines(join(folder, "prompts.jsonl"), lookups(31, { count }));
  const fixed = ["--threads", "1", "--gpu", "off", "--context", "256", "--max-tokens", "12"];
  const args = (out: string, ...more: string[]) => [
    ...["answer", "--model", full, "--data", data, "-o", join(folder, out)],
    ...[...fixed, ...more],
  ];
  return { folder, args };
}

test.serial("answers are told in a table, as JSON, or not at all", async (t) => {
  const { folder, args } = prepare(t, 4);
  const { stdout, stderr, exitCode } = await runCommand(args("o.jsonl", "--temp", "0"));
  t.deepEqual({ stderr, exitCode }, { stderr: "", exitCode: 0 });
  t.regex(stdout, /│ prompts +│ +4 │/);
  t.regex(stdout, /│ kept +│ +4 │/);
  const json = await runCommand(args("o.jsonl", "--temp", "0", "--json", "--resume"));
  t.like(JSON.parse(json.stdout) as AnswerPromptsResult, { prompts: 4, kept: 4, firstPrompt: 4 });
  const silent = await runCommand(args("p.jsonl", "--temp", "0", "--quiet"));
  t.deepEqual(silent, { stdout: "", stderr: "", exitCode: 0, signal: null });
  t.is(readFileSync(join(folder, "p.jsonl"), "utf8"), readFileSync(join(folder, "o.jsonl"), "utf8"));
});

posixTest("a run that was killed, and one that was interrupted, go on to the same file", async (t) => {
  const { folder, args } = prepare(t, 60);
  const draws = ["--temp", "1.5", "--answers", "2", "--deterministic", "--sessions", "2", "--quiet"];
  t.is((await runCommand(args("whole.jsonl", ...draws))).exitCode, 0);

  const progress = join(folder, "o.jsonl.progress");
  const linesOf = () => (existsSync(progress) ? readFileSync(progress, "utf8").split("\n").length : 0);
  const stopAt = async (lines: number, signal: "SIGKILL" | "SIGINT") => {
    const child = startCommand(args("o.jsonl", ...draws.filter((flag) => flag !== "--quiet"), "--resume"));
    while (linesOf() < lines && child.exitCode === null) await delay(2);
    child.kill(signal);
    return finishCommand(child);
  };
  const killed = await stopAt(5, "SIGKILL");
  t.is(killed.signal, "SIGKILL");
  const stopped = await stopAt(linesOf() + 5, "SIGINT");
  // A fast machine may have come to the end.
  if (stopped.exitCode !== 0) {
    t.is(stopped.exitCode, 130);
    t.is(stopped.stdout, "");
    t.regex(stopped.stderr, /^Stopped after \d+ of 60 prompts\. The same command with --resume goes on in /m);
  }
  const resumed = await runCommand(args("o.jsonl", ...draws, "--resume"));
  t.is(resumed.exitCode, 0, resumed.stderr);
  for (const ending of ["", ".progress"])
    t.is(
      readFileSync(join(folder, `o.jsonl${ending}`), "utf8"),
      readFileSync(join(folder, `whole.jsonl${ending}`), "utf8"),
    );
  t.is(readdirSync(folder).length, 5);
});

test.serial("what is wrong is told by its flag, and bad lines also with --quiet", async (t) => {
  const { folder, args } = prepare(t, 2);
  for (const [more, stderr, exitCode] of [
    [["--answers", "0"], /^overfill: --answers: expected a whole number from 1 to 256/, 2],
    [["--template", "{text}"], /^overfill: --template: expected fromText/, 2],
    [["-o", "-"], /^overfill: option '-o, --out <file>'.*Expected the name of a file/, 2],
    [["--data", "none.jsonl"], /^overfill: none\.jsonl does not exist \(ERR_FILE_READ_FAILED\)/, 1],
  ] as const) {
    const result = await runCommand(args("o.jsonl", ...more));
    t.deepEqual({ stdout: result.stdout, exitCode: result.exitCode }, { stdout: "", exitCode });
    t.regex(result.stderr, stderr);
  }
  const spoiled = writeLines(join(folder, "spoiled.jsonl"), ["{ no", ...lookups(31, { count: 1 })]);
  const { stderr, exitCode } = await runCommand(args("o.jsonl", "--data", spoiled, "--quiet"));
  t.deepEqual({ stderr, exitCode }, { stderr: `${spoiled}:1: it is not valid JSON\n`, exitCode: 0 });
  const other = await runCommand(args("o.jsonl", "--data", spoiled, "--quiet", "--resume", "--seed", "2"));
  t.is(other.exitCode, 1);
  t.regex(other.stderr, /these answers were begun with seed 1 \(ERR_CHECKPOINT_INVALID\)/);
});
