/** Data that cannot be used: each kind is told by its code, file and line. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { type BadLine, type EvaluateOptions, evaluate, FileError } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { somePairs, someText, writeLines } from "../train/fixtures.js";
import { type EvaluationFiles, short, writeEvaluationFiles } from "./fixtures.js";

const test = anyTest as TestFn<EvaluationFiles & { remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeEvaluationFiles(path)), remove };
});
test.after.always((t) => t.context.remove?.());

const good = somePairs(3);
const long = { prompt: someText(200), response: someText(60) };

const badLines: readonly (readonly [
  title: string,
  line: object | string,
  reason: RegExp,
  more?: Partial<EvaluateOptions>,
])[] = [
  ["no JSON", "{ no", /^it is not valid JSON$/],
  ["a missing field", { prompt: "a" }, /^"response" is missing$/],
  ["an empty answer", { prompt: "a", response: "" }, /^"response": expected/],
  ["a response longer than the context", long, /^\d+ tokens, more than the 256 of the context$/],
  ["a chat for a model without a template", { messages: [{ role: "user", content: "a" }] }, /two messages/],
  ["a text of one token", { text: "x" }, /fewer than 3 tokens/],
  ["a line for another task", { question: "a", choices: ["b", "c"], answer: 1 }, /cannot be used for the task/],
  [
    "a question longer than the context",
    { prompt: someText(300), response: "a" },
    /more than the 256/,
    { task: "generate" },
  ],
];

for (const [title, line, reason, more] of badLines)
  test(`${title} is told with its line and skipped, or ends the evaluation`, async (t) => {
    const data = writeLines(join(withTempDir(t), "data.jsonl"), [good[0] ?? "", "", line, ...good.slice(1)]);
    const told: BadLine[] = [];
    const options = { ...short, prefill: t.context.full, data, maxTokens: 2, ...more };
    const report = await evaluate({ ...options, onBadLine: (bad) => told.push(bad) });
    t.is(report.examples, 3);
    t.deepEqual(report.badLines, told);
    t.is(told.length, 1);
    t.like(told[0], { path: data, line: 3 });
    t.regex(told[0]?.reason ?? "", reason);

    const error = await refusal(t, "ERR_DATA_INVALID", evaluate({ ...options, maxBadLines: 0 }));
    t.true(FileError.isInstance(error));
    t.like(error.details, { path: data, line: 3 });
    t.true(error.message.startsWith(`${data}:3: `), error.message);
  });

test("lines that are no UTF-8 are told with their number", async (t) => {
  const data = join(withTempDir(t), "data.jsonl");
  const latin1 = Buffer.from('{"prompt": "a", "response": "caf\xe9"}\n', "latin1");
  writeFileSync(data, Buffer.concat([Buffer.from(`${JSON.stringify(good[0])}\n`), latin1]));
  const report = await evaluate({ ...short, prefill: t.context.full, data });
  t.deepEqual(report.badLines, [{ path: data, line: 2, reason: "it is not UTF-8 (probably Latin-1 or Windows-1252)" }]);
});

test("a file in UTF-16 is refused as a whole", async (t) => {
  const data = join(withTempDir(t), "data.jsonl");
  writeFileSync(data, Buffer.from(`\uFEFF${JSON.stringify(good[0])}\n`, "utf16le"));
  const error = await refusal(t, "ERR_DATA_INVALID", evaluate({ ...short, prefill: t.context.full, data }));
  t.deepEqual(error.details, { path: data, line: 1 });
});

test("a file in which no line can be used is refused with the first reason", async (t) => {
  const data = writeLines(join(withTempDir(t), "data.jsonl"), [long, long]);
  const error = await refusal(t, "ERR_DATA_INVALID", evaluate({ ...short, prefill: t.context.full, data }));
  t.deepEqual(error.details, { path: data, line: 1 });
  t.regex(error.message, /no line that can be used: line 1: \d+ tokens, more than/);
});

test("a file that is not there, and an empty one, are refused", async (t) => {
  const folder = withTempDir(t);
  const { full } = t.context;
  await refusal(t, "ERR_FILE_READ_FAILED", evaluate({ ...short, prefill: full, data: join(folder, "none.jsonl") }));
  const data = writeLines(join(folder, "empty.jsonl"), []);
  const error = await refusal(t, "ERR_DATA_INVALID", evaluate({ ...short, prefill: full, data }));
  t.deepEqual(error.details, { path: data });
});

test("a chat for a model without a chat template is refused by the model's code", async (t) => {
  const chat = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  const data = writeLines(join(withTempDir(t), "data.jsonl"), [{ messages: chat }]);
  await refusal(t, "ERR_MODEL_UNSUPPORTED", evaluate({ ...short, prefill: t.context.full, data }));
});

test("options that only loading checks are refused by name", async (t) => {
  const { full, responses: data } = t.context;
  const wrong = [
    ["options.prefill.gpuLayers", { prefill: { model: full, gpuLayers: -1 } }],
    ["options.handover", { handover: "copy" }],
    ["options.batchSize", { batchSize: 0 }],
    ["options.translator", { translator: 5 }],
  ] as const;
  for (const [parameter, more] of wrong) {
    const options = { ...short, prefill: full, decode: full, data, ...more } as unknown as EvaluateOptions;
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", evaluate(options), parameter);
    t.is(error.details.parameter, parameter);
  }
  const window = await refusal(t, "ERR_INVALID_ARGUMENT", evaluate({ ...short, prefill: full, data, windowSize: 300 }));
  t.is(window.details.parameter, "options.windowSize");
});
