/** Options of answers that are wrong: each is refused by name before a file is read. */

import { join } from "node:path";
import test from "ava";
import { type AnswerPromptsOptions, answerPrompts } from "../../../lib/index.js";
import { refusal } from "../../engine/fixtures.js";

const notPaths = ["", 5, null, {}, "a\0b", new URL("http://a/b.gguf")];
const notFlags = [0, "yes", null];
const notFunctions = ["function", {}, null];

const wrong: readonly (readonly [name: keyof AnswerPromptsOptions, ...values: readonly unknown[]])[] = [
  ["model", undefined, "", 5, null, {}, { model: "" }],
  ["data", ...notPaths],
  ["fromText", "a.txt", [""], [5], null],
  ["promptTokens", 0, 1.5, "8", 1_048_577, null],
  ["template", "", "no place", 5, null],
  ["out", undefined, ...notPaths],
  ["resume", ...notFlags],
  ["answers", 0, 257, 1.5, "1", null],
  ["maxTokens", 0, -1, 1.5, 2 ** 31, "1", null],
  ["temperature", -1, 1001, Number.NaN, "1", null],
  ["topK", -1, 1.5, "1", null],
  ["topP", -0.1, 1.1, "1", null],
  ["minP", -0.1, 1.1, "1", null],
  ["stop", "", [""], [1], Array(65).fill("a"), null],
  ["seed", -1, 1.5, 2 ** 32, "1", null],
  ["deterministic", ...notFlags],
  ["sessions", 0, 257, 1.5, "1", null],
  ["keepCut", ...notFlags],
  ["keepDuplicates", ...notFlags],
  ["similarity", 0, 1.1, "1", null],
  ["maxBadLines", -1, 1.5, "1", null],
  ["contextSize", 1, 1.5, "512", null],
  ["threads", 0, 513, 1.5, "2", null],
  ["gpu", "opencl", true, null],
  ["onProgress", ...notFunctions],
  ["onBadLine", ...notFunctions],
  ["signal", {}, true, new AbortController()],
];

const nowhere = join(import.meta.dirname, "none");
const usual = { model: join(nowhere, "a.gguf"), data: join(nowhere, "d.jsonl"), out: join(nowhere, "o.jsonl") };
const attempt = answerPrompts as (options?: object) => Promise<unknown>;

for (const [name, ...values] of wrong)
  test(`a wrong ${name} is refused by name`, async (t) => {
    for (const value of values) {
      const error = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, [name]: value }), String(value));
      t.regex(String(error.details.parameter), new RegExp(`^(options\\.)?${name}\\b`), String(value));
    }
  });

test("no options, and an option that there is not, are refused", async (t) => {
  const unknown = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, fast: true }));
  t.is(unknown.message, "options.fast: no such option; got true");
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt());
});
