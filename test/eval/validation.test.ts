/** Options that are wrong: each is refused by name before a file is read. */

import { join } from "node:path";
import test from "ava";
import { checkEvaluateOptions, checkMetrics, checkWindowSize } from "../../lib/eval/validation.js";
import { type EvaluateOptions, evaluate, InvalidArgumentError } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";

const notPaths = ["", 5, null, {}, "a\0b", new URL("http://a/b.gguf")];
const notCounts = [0, -1, 1.5, "1", Number.POSITIVE_INFINITY, null];
const notFunctions = ["function", {}, null];

const wrong: readonly (readonly [name: keyof EvaluateOptions, ...values: readonly unknown[]])[] = [
  ["prefill", undefined, "", 5, null, {}, { model: "" }],
  ["decode", "", 5, null, {}, { model: 1 }],
  ["data", undefined, ...notPaths],
  ["task", "perplexity", "", 1, null],
  ["refreshIntervals", 8, [0], [1.5], ["8"], [8, 8], Array.from({ length: 17 }, (_, i) => i + 1), [1_048_577], null],
  ["refreshBudgets", 0.1, [0], [1.1], ["0.1"], [0.1, 0.1], null],
  ["qualities", "exact", ["best"], [0.3], [{ acceptance: 0 }], null],
  ["metrics", "f1", [], ["F1"], [1], null],
  ["maxExamples", ...notCounts],
  ["maxTokens", ...notCounts, 2 ** 31],
  ["stop", "", [""], [1], Array(65).fill("a"), null],
  ["windowSize", 2, 3.5, "512", null],
  ["timedTokens", -1, 1.5, 1_048_577, "1", null],
  ["confidence", 0, 1, -1, Number.NaN, "0.9", null],
  ["resamples", 99, 1.5, 1_000_001, "1000", null],
  ["seed", -1, 1.5, 2 ** 32, "1", null],
  ["maxBadLines", -1, 1.5, "1", null],
  ["contextSize", 0, 1.5, "512", null],
  ["threads", 0, 513, 1.5, "2", null],
  ["gpu", "opencl", true, null],
  ["onProgress", ...notFunctions],
  ["onBadLine", ...notFunctions],
  ["onExample", ...notFunctions],
  ["signal", {}, true, new AbortController()],
];

const nowhere = join(import.meta.dirname, "none");
const usual = { prefill: join(nowhere, "a.gguf"), data: join(nowhere, "d.jsonl") };
const attempt = evaluate as (options?: object) => Promise<unknown>;

for (const [name, ...values] of wrong)
  test(`a wrong ${name} is refused by name`, async (t) => {
    for (const value of values) {
      const error = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, [name]: value }), String(value));
      t.true(InvalidArgumentError.isInstance(error));
      t.regex(String(error.details.parameter), new RegExp(`^(options\\.)?${name}\\b`), String(value));
    }
  });

test("no options, and an option that there is not, are refused", async (t) => {
  const unknown = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, fast: true }));
  t.is(unknown.message, "options.fast: no such option; got true");
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt());
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt({}));
});

test("an evaluation does not begin once its signal has fired", async (t) => {
  const signal = AbortSignal.abort(new RangeError("enough"));
  await t.throwsAsync(attempt({ ...usual, signal }), { instanceOf: RangeError, message: "enough" });
});

test("the defaults are those that the types tell", (t) => {
  t.like(checkEvaluateOptions(usual), {
    ...{ refreshIntervals: [], maxTokens: 256, timedTokens: 32, confidence: 0.95, resamples: 1000, seed: 1 },
    maxBadLines: 10,
  });
  t.deepEqual(checkEvaluateOptions(usual).prefill, { model: usual.prefill });
  t.is(checkWindowSize(undefined, 4096), 512);
  t.is(checkWindowSize(undefined, 256), 256);
  t.is(checkWindowSize(2048, 4096), 2048);
});

test("a window that the context cannot hold is refused", (t) => {
  for (const call of [
    () => checkWindowSize(513, 512),
    () => checkEvaluateOptions({ ...usual, windowSize: 513, contextSize: 512 }),
  ])
    t.like(t.throws(call), { code: "ERR_INVALID_ARGUMENT" });
});

test("metrics are the task's, in its order", (t) => {
  t.deepEqual(checkMetrics(["bleu", "exactMatch"], "generate"), ["exactMatch", "bleu"]);
  t.deepEqual(checkMetrics(undefined, "choices"), ["accuracy", "accuracyNorm"]);
  const error = t.throws(() => checkMetrics(["perplexity", "accuracy"], "choices"));
  t.like(error, { code: "ERR_INVALID_ARGUMENT" });
  t.is(
    error?.message,
    'options.metrics: expected metrics of the task "choices": accuracy, accuracyNorm; got perplexity',
  );
});
