/** `bench` as a function: what it takes and refuses, what it tells on the way, and how it is stopped. */

import { join } from "node:path";
import test from "ava";
import { type BenchOptions, type BenchStage, bench, demoPair, demoQuestions } from "../../../lib/index.js";
import { quiet } from "../../engine/fixtures.js";
import { withTempDir } from "../../support/temp-dir.js";
import { writeLines } from "../../train/fixtures.js";

const short = { ...quiet, ...demoPair, maxTokens: 4, rounds: 1 } as const;
const [question] = demoQuestions;
const prompts = [question?.prompt ?? "", [1, 2, 3]];

test("texts and tokens are answered, in the order of the stages, and told by length", async (t) => {
  const stages = new Set<BenchStage>();
  const onProgress: BenchOptions["onProgress"] = ({ stage, fraction }) => {
    stages.add(stage);
    t.true(fraction >= 0 && fraction <= 1);
  };
  const report = await bench({ ...short, prompts, acceptances: [], refreshIntervals: [2], onProgress });
  t.deepEqual([...stages], ["loading", "reading", "comparing", "timing"]);
  t.deepEqual(
    report.rows.map(({ way }) => way),
    ["prefill", "decode", "fast", { refreshInterval: 2 }, "exact"],
  );
  t.is(report.data, undefined);
  t.is(report.lengths[0]?.from, 3);
  for (const { speed } of report.rows) t.true(speed.prefillTokensPerSecond > 0 && speed.firstTokenMs > 0);
});

test("prompts are made of the documentation, and those that do not fit are left out", async (t) => {
  const { lengths, prompts: count } = await bench({ ...short, contextSize: 256, promptLengths: [300, 80, 8] });
  t.is(count, 4);
  t.deepEqual(
    lengths.map(({ from, to, prompts: own }) => [from, to, own]),
    [
      [8, 8, 2],
      [80, 80, 2],
    ],
  );
});

test("pieces of a text are gone on from without an end, and answers end where the model ends them", async (t) => {
  const text = `${question?.prompt}${question?.answer}`.repeat(6);
  const options = { ...short, maxTokens: 40, acceptances: [] };
  const pieces = await bench({ ...options, data: writeLines(join(withTempDir(t), "texts.jsonl"), [{ text }]) });
  const asked = await bench({ ...options, prompts: prompts.slice(0, 1) });
  t.deepEqual(
    pieces.rows.map(({ speed }) => speed.answerTokens),
    [40, 40, 40, 40],
  );
  t.true((asked.rows[0]?.speed.answerTokens ?? 40) < 30);
});

test("an abort rejects with its reason", async (t) => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress: BenchOptions["onProgress"] = ({ stage }) => stage === "timing" && stop.abort(reason);
  t.is(await t.throwsAsync(bench({ ...short, prompts, rounds: 50, signal: stop.signal, onProgress })), reason);
});

const refusals: readonly (readonly [title: string, options: object, parameter: string])[] = [
  ["data beside prompts", { data: "x.jsonl" }, "options.prompts"],
  ["no prompt", { prompts: [] }, "options.prompts"],
  ["an empty prompt", { prompts: [""] }, "options.prompts.0"],
  ["a share twice", { acceptances: [0.5, 0.5] }, "options.acceptances"],
  ["an answer of one token, which has no speed", { maxTokens: 1 }, "options.maxTokens"],
  ["no decode model", { decode: undefined }, "options.decode"],
];
for (const [title, options, parameter] of refusals)
  test(`refused: ${title}`, async (t) => {
    const error = await t.throwsAsync(bench({ ...short, prompts, ...options } as BenchOptions), {
      code: "ERR_INVALID_ARGUMENT",
    });
    t.is((error as { details?: { parameter?: string } }).details?.parameter, parameter);
  });
