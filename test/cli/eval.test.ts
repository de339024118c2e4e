/** `overfill eval` as a command: what it prints, what it writes, how it fails and how it is stopped. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import anyTest, { type TestFn } from "ava";
import type { EvaluationReport, ExampleResult } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeLines } from "../train/fixtures.js";
import { finishCommand, runCommand, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{ data: string; remove: () => Promise<void> }>;

/** A signal on Windows ends a process outright. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

const models = ["--prefill", String(lookupPair.prefill.model), "--decode", String(lookupPair.decode.model)];
const quick = ["--threads", "1", "--gpu", "off", "--resamples", "100"];

test.before((t) => {
  const { path: folder, remove } = makeTempDir();
  const records = lookups(8, { count: 12 }).map(({ prompt, answer }) => ({ prompt, response: answer }));
  t.context = { data: writeLines(join(folder, "held-out.jsonl"), records), remove };
});
test.after.always((t) => t.context.remove?.());

test.serial("the rows stand side by side, and the report, its picture and each result are written", async (t) => {
  const { data } = t.context;
  const folder = withTempDir(t);
  const [out, plot, samples] = ["report.json", "near.svg", "samples.jsonl"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const files = ["--out", out, "--plot", plot, "--samples", samples];
  const spoiled = writeLines(join(folder, "spoiled.jsonl"), ["{ no JSON", ...readFileSync(data, "utf8").split("\n")]);
  const args = ["eval", ...models, "--data", spoiled, "--refresh", "1,2", ...quick, ...files];
  const { stdout, stderr, exitCode } = await runCommand(args);
  t.is(exitCode, 0, stderr);
  t.is(stderr, `${spoiled}:1: it is not valid JSON\n`);
  t.true(stdout.startsWith(`${spoiled}: predicting responses, 12 examples, `), stdout);
  t.regex(stdout, /│ +prefill alone │ +decode alone │ +two-stage │ +refresh 1 │ +refresh 2 │/);
  t.regex(stdout, /│ perplexity +│ +1\.\d{4} │/);
  t.regex(stdout, /│ writes +│ +[\d,.]+ tokens\/s │/);
  t.regex(stdout, /│ two-stage +│ +minus decode alone │/);
  t.regex(stdout, /^1 bad line was skipped\.$/m);

  const report = JSON.parse(readFileSync(out, "utf8")) as EvaluationReport;
  t.like(report, { task: "responses", examples: 12, handover: "share" });
  const [prefill, decode, twoStage] = report.rows.map(({ figures }) => figures.perplexity?.value ?? 0);
  t.true((prefill ?? 9) < 1.01, "the pair knows its task");
  t.true((twoStage ?? 9) < 1.05 && (decode ?? 0) > 2);
  t.regex(readFileSync(plot, "utf8"), /^<svg [\s\S]*<\/svg>\n$/);
  const results = readFileSync(samples, "utf8").trimEnd().split("\n");
  t.is(results.length, 12 * 5);
  for (const line of results) t.like(JSON.parse(line) as ExampleResult, { task: "responses" });
});

test.serial("answers are generated and compared; --json prints the report and nothing else", async (t) => {
  const { data } = t.context;
  const args = ["eval", ...models, "--data", data, "--task", "generate", "--max-tokens", "8", ...quick];
  const { stdout, stderr, exitCode } = await runCommand([...args, "--json", "--metrics", "strictMatch,f1"]);
  t.is(exitCode, 0, stderr);
  t.is(stderr, "");
  const { rows, comparisons } = JSON.parse(stdout) as EvaluationReport;
  t.deepEqual(Object.keys(rows[0]?.figures ?? {}), ["strictMatch", "f1"]);
  t.deepEqual([rows[0]?.figures.strictMatch?.value, rows[2]?.figures.strictMatch?.value], [1, 1]);
  t.true((comparisons[0]?.differences.f1?.low ?? 0) > 0.5);
  const silent = await runCommand([...args, "--quiet"]);
  t.deepEqual(silent, { stdout: "", stderr: "", exitCode: 0, signal: null });
});

test.serial("choices are made, and drawn as scores", async (t) => {
  const folder = withTempDir(t);
  const data = writeLines(
    join(folder, "choices.jsonl"),
    lookups(5, { count: 8 }).map(({ prompt, answer }, i) => {
      const choices = [answer.trim(), "nowhere at all"];
      return { query: prompt, choices: i % 2 === 0 ? choices : choices.reverse(), gold: i % 2 };
    }),
  );
  const plot = join(folder, "scores.svg");
  const { stdout, stderr, exitCode } = await runCommand(["eval", ...models, "--data", data, ...quick, "--plot", plot]);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /│ accuracy +│ +1\.0000 │/);
  t.regex(stdout, /│ accuracy, by length +│ +1\.0000 │/);
  t.true(readFileSync(plot, "utf8").includes(">accuracy<"));
});

posixTest("Ctrl-C ends an evaluation without a report", async (t) => {
  const folder = withTempDir(t);
  const records = lookups(3, { count: 3000 }).map(({ prompt, answer }) => ({ prompt, response: answer }));
  const data = writeLines(join(folder, "long.jsonl"), records);
  const [out, samples] = [join(folder, "report.json"), join(folder, "samples.jsonl")];
  const args = ["eval", ...models, "--data", data, ...quick, "--task", "generate", "--max-tokens", "64"];
  const child = startCommand([...args, "--out", out, "--samples", samples]);
  while (!(existsSync(samples) && readFileSync(samples, "utf8").includes("\n")) && child.exitCode === null)
    await delay(20);
  child.kill("SIGINT");
  const { stdout, stderr, exitCode } = await finishCommand(child);
  t.deepEqual({ stdout, stderr, exitCode }, { stdout: "", stderr: "", exitCode: 130 });
  t.false(existsSync(out));
  for (const line of readFileSync(samples, "utf8").trimEnd().split("\n")) t.is(typeof JSON.parse(line), "object");
});

const failures: readonly (readonly [title: string, more: readonly string[], stderr: RegExp, exitCode: number])[] = [
  [
    "data that is not there",
    ["--data", "none.jsonl"],
    /^overfill: none\.jsonl does not exist \(ERR_FILE_READ_FAILED\)$/,
    1,
  ],
  [
    "a metric of another task",
    ["--metrics", "f1"],
    /^overfill: --metrics: expected metrics of the task "responses"/,
    2,
  ],
  ["a metric that there is not", ["--metrics", "loss"], /^overfill: --metrics: /, 2],
  ["a confidence out of range", ["--confidence", "95"], /^overfill: --confidence: .*95 \(ERR_INVALID_ARGUMENT\)/, 2],
  ["a refresh that is none", ["--refresh", "0"], /^overfill: --refresh: /, 2],
  [
    "a window beyond the context",
    ["--window", "9999"],
    /^overfill: --window: expected at most the \d+ of the context/,
    2,
  ],
  ["layers without meaning", ["--gpu-layers", "-1"], /^overfill: --gpu-layers: /, 2],
  [
    "a task that the data is not for",
    ["--task", "choices", "--max-bad-lines", "0"],
    /:1: a line of this kind .*\(ERR_DATA/,
    1,
  ],
  ["a report in no folder", ["--out", "/none/at/all/report.json"], /\(ERR_FILE_WRITE_FAILED\)$/, 1],
];

for (const [title, more, stderr, exitCode] of failures)
  test.serial(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const result = await runCommand(["eval", ...models, "--data", t.context.data, ...quick, ...more]);
    const last = result.stderr.trimEnd().split("\n").at(-1) ?? "";
    t.regex(last, stderr);
    t.is(result.stdout, "");
    t.is(result.exitCode, exitCode);
  });

test.serial("a file in UTF-16 is told with its line", async (t) => {
  const data = join(withTempDir(t), "wide.jsonl");
  writeFileSync(data, Buffer.from('\uFEFF{"text": "a"}\n', "utf16le"));
  const { stderr, exitCode } = await runCommand(["eval", ...models, "--data", data, ...quick]);
  t.is(stderr, `overfill: ${data}:1: the file is in UTF-16LE, or is not text; expected UTF-8 (ERR_DATA_INVALID)\n`);
  t.is(exitCode, 1);
});
