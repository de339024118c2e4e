/** `overfill bench` as a command: what it measures and prints, what it writes, how it fails. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { addBenchCommand, toBenchOptions } from "../../lib/cli/commands/bench/flags.js";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { checkBenchOptions } from "../../lib/eval/bench/validation.js";
import type { BenchReport } from "../../lib/index.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeLines } from "../train/fixtures.js";
import { dotsOf } from "./chart-marks.js";
import { runCommand } from "./command-process.js";
import { parseFlags } from "./parse-flags.js";

const quick = ["bench", "--quick", "--threads", "1", "--gpu", "off"];
const models = ["--prefill", String(lookupPair.prefill.model), "--decode", String(lookupPair.decode.model)];

test.serial("the demo pair is measured in seconds, and told in a table and in words", async (t) => {
  const folder = withTempDir(t);
  const [out, plot] = [join(folder, "report.json"), join(folder, "bench.svg")];
  const { stdout, stderr, exitCode } = await runCommand([...quick, "--out", out, "--plot", plot]);
  t.is(exitCode, 0, stderr);
  t.is(stderr, "");
  for (const way of ["full alone", "small alone", "fast", "acceptance 0.3", "exact"])
    t.regex(stdout, new RegExp(`│ ${way} +│ +[\\d,.]+ tokens/s │ +[\\d.]+ ms │ +[\\d,.]+ tokens/s │ +\\d+\\.\\d\\d │`));
  t.regex(stdout, /^exact: the full model's own answers/m);
  t.regex(stdout, /^fast: [\d.]+ times its speed, agrees in [\d.> ]+% of tokens\.$/m);
  t.regex(stdout, /^(Take |Nothing |What )/m);
  t.regex(stdout, /measure with prompts of your own/);

  const report = JSON.parse(readFileSync(out, "utf8")) as BenchReport;
  t.like(report, { prompts: 4, rounds: 2, maxTokens: 24, handover: "share", threads: 1 });
  const [full, small, fast, accepted, exact] = report.rows;
  t.deepEqual(
    report.rows.map(({ way }) => way),
    ["prefill", "decode", "fast", { acceptance: 0.3 }, "exact"],
  );
  t.deepEqual([full?.speed.writesTimes, full?.written.agreement, exact?.written.agreement], [1, 1, 1]);
  t.true((fast?.written.agreement ?? 0) > 0.9, "the demo pair knows its task");
  t.true((small?.written.agreement ?? 1) < 0.6, "its small model alone does not");
  t.is(fast?.drafts, undefined);
  t.true((accepted?.drafts?.keptTokens ?? 0) > 0);
  t.true((exact?.memory.weightBytes ?? 0) > (full?.memory.weightBytes ?? 0));
  t.is(
    report.lengths.reduce((sum, { prompts }) => sum + prompts, 0),
    4,
  );

  const svg = readFileSync(plot, "utf8");
  t.is(dotsOf(svg), 5);
  for (const name of ["full alone", "small alone", "fast", "acceptance 0.3", "exact"])
    t.true(svg.includes(`>${name}<`));
});

test.serial("with data, nearness to the full model is told over its responses, too", async (t) => {
  const folder = withTempDir(t);
  const records = lookups(8, { count: 6 }).map(({ prompt, answer }) => ({ prompt, response: answer }));
  const data = writeLines(join(folder, "held-out.jsonl"), [
    "{ no JSON",
    ...records.map((record) => JSON.stringify(record)),
  ]);
  const args = [...quick, ...models, "--data", data, "--refresh", "2", "--acceptance", "0.1,0.5", "--rounds", "1"];
  const { stdout, stderr, exitCode } = await runCommand([...args, "--json"]);
  t.is(exitCode, 0, stderr);
  t.is(stderr, `${data}:1: it is not valid JSON\n`);
  const report = JSON.parse(stdout) as BenchReport;
  t.like(report, { data, prompts: 4, rounds: 1 });
  t.is(report.badLines.length, 1);
  const given = report.rows.map((row) => row.given);
  t.deepEqual([given[0]?.agreement, given[0]?.divergence], [1, 0]);
  const [small, fast] = [given[1]?.divergence ?? 0, given[2]?.divergence ?? 9];
  t.true(fast < 0.2 && small > 1, `${fast}, ${small}`);
  t.deepEqual(
    given.map((own) => own !== undefined),
    [true, true, true, true, false, false, false],
  );
  const tables = await runCommand(args);
  t.is(tables.exitCode, 0, tables.stderr);
  t.regex(tables.stdout, /│ refresh 2 +│/);
  t.regex(tables.stdout, /^By place in the data's responses/m);
  t.notRegex(tables.stdout, /prompts of your own/);
});

const failures: readonly (readonly [title: string, args: readonly string[], stderr: RegExp, exitCode: number])[] = [
  ["one model", models.slice(0, 2), /--decode is missing: a pair has two models/, 2],
  ["the other model", models.slice(2), /--prefill is missing/, 2],
  [
    "data and lengths",
    ["--data", "x.jsonl", "--prompt-tokens", "8"],
    /--prompt-tokens is for prompts that are made/,
    2,
  ],
  ["a share of more than all", ["--acceptance", "1.5"], /--acceptance: expected a number above 0, up to 1/, 2],
  ["no rounds", ["--rounds", "0"], /--rounds: expected a whole number from 1 to 100/, 2],
  ["data that is not there", ["--data", "none.jsonl"], /none\.jsonl does not exist \(ERR_FILE_READ_FAILED\)/, 1],
  ["a model that is not there", ["--prefill", "a.gguf", "--decode", "b.gguf"], /a\.gguf.* \(ERR_MODEL_/, 1],
];
for (const [title, args, expected, exitCode] of failures)
  test(`refused: ${title}`, async (t) => {
    const result = await runCommand(["bench", ...args]);
    t.regex(result.stderr, expected);
    t.is(result.exitCode, exitCode);
    t.is(result.stdout, "");
  });

test("flags are the API's options, and --quick is what nobody said otherwise", async (t) => {
  const options = async (...args: string[]) =>
    toBenchOptions(await parseFlags(addBenchCommand, args), demoPair, ["a", "b", "c", "d", "e"]);
  t.like(await options(), { prompts: ["a", "b", "c", "d", "e"] });
  t.like(await options("--quick"), { prompts: ["a", "b", "c", "d"], rounds: 2, maxTokens: 24 });
  t.like(await options("--quick", "--rounds", "7", "--prompt-tokens", "9,8"), {
    rounds: 7,
    maxTokens: 24,
    promptLengths: [9, 8],
    prompts: undefined,
  });
  const named = await options(
    "--prefill",
    "a",
    "--decode",
    "b",
    "--acceptance",
    "0.1,0.5",
    "--refresh",
    "8",
    "--temp",
    "0.7",
  );
  t.like(checkBenchOptions(named), {
    prefill: { model: "a" },
    decode: { model: "b" },
    acceptances: [0.1, 0.5],
    refreshIntervals: [8],
    temperature: 0.7,
    rounds: 3,
    promptLengths: [64, 256, 1024],
  });
});
