/** Data files for a task: which records come, which lines are told as bad, and when there are too many. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { BadLines } from "../../../lib/eval/data/bad-lines.js";
import { type NumberedRecord, openData } from "../../../lib/eval/data/data-source.js";
import type { EvaluationTask } from "../../../lib/eval/data/tasks.js";
import type { BadLine } from "../../../lib/train/index.js";
import { refusal } from "../../engine/fixtures.js";
import { withTempDir } from "../../support/temp-dir.js";
import { writeLines } from "../../train/fixtures.js";

async function readAll(path: string, task?: EvaluationTask, most = 10) {
  const told: BadLine[] = [];
  const badLines = new BadLines(path, most, (line) => told.push(line));
  const data = await openData(path, task, badLines);
  const records: NumberedRecord[] = [];
  for await (const record of data.records) records.push(record);
  return { task: data.task, lines: records.map(({ line }) => line), records, bad: told.map(({ line }) => line) };
}

const response = { prompt: "a", response: "b" };
const question = { question: "a", answer: "b" };
const text = { text: "a b" };
const choices = { query: "a", choices: ["b", "c"], gold: 0 };
const chat = {
  messages: [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ],
};

test("the first usable line says what the task is; lines of another task are bad", async (t) => {
  const path = join(withTempDir(t), "data.jsonl");
  writeLines(path, ["{", response, text, question, choices, chat]);
  t.like(await readAll(path), { task: "responses", lines: [2, 3, 4, 6], bad: [1, 5] });
  writeLines(path, [question, response, text, choices]);
  t.like(await readAll(path), { task: "generate", lines: [1, 2], bad: [3, 4] });
  writeLines(path, [choices, question]);
  t.like(await readAll(path), { task: "choices", lines: [1], bad: [2] });
});

test("a task that was asked for takes the lines that serve it", async (t) => {
  const path = writeLines(join(withTempDir(t), "data.jsonl"), [question, response, text, choices, chat]);
  t.like(await readAll(path, "responses"), { task: "responses", lines: [1, 2, 3, 5], bad: [4] });
  t.like(await readAll(path, "generate"), { task: "generate", lines: [1, 2, 5], bad: [3, 4] });
  t.like(await readAll(path, "choices"), { task: "choices", lines: [4], bad: [1, 2, 3, 5] });
});

test("one bad line too many ends it, with its place and reason", async (t) => {
  const path = writeLines(join(withTempDir(t), "data.jsonl"), [response, "{", "{", response, "{"]);
  t.like(await readAll(path, undefined, 3), { lines: [1, 4], bad: [2, 3, 5] });
  const error = await refusal(t, "ERR_DATA_INVALID", readAll(path, undefined, 2));
  t.deepEqual(error.details, { path, line: 5, reason: "it is not valid JSON" });
  t.is(error.message, `${path}:5: it is not valid JSON, after 2 other bad lines`);
  const none = await refusal(t, "ERR_DATA_INVALID", readAll(path, undefined, 0));
  t.is(none.message, `${path}:2: it is not valid JSON`);
});

test("a file without a usable line is refused with its first reason", async (t) => {
  const path = writeLines(join(withTempDir(t), "data.jsonl"), ["", { question: "a", answer: "" }]);
  const error = await refusal(t, "ERR_DATA_INVALID", readAll(path));
  t.deepEqual(error.details, { path, line: 2 });
  t.regex(error.message, /has no line that can be used: line 2: "answer": expected/);
  writeFileSync(path, "\n \n");
  const empty = await refusal(t, "ERR_DATA_INVALID", readAll(path));
  t.deepEqual(empty.details, { path });
  t.regex(empty.message, /it is empty/);
});

test("a file named .txt is one text, whatever is in it", async (t) => {
  const path = join(withTempDir(t), "data.TXT");
  writeFileSync(path, '{"prompt": "a"}\nb');
  const { task, records } = await readAll(path);
  t.is(task, "responses");
  t.deepEqual(records, [{ line: 1, record: { kind: "text", text: '{"prompt": "a"}\nb' } }]);
  writeFileSync(path, "");
  await refusal(t, "ERR_DATA_INVALID", readAll(path));
  writeFileSync(path, "a");
  const error = await refusal(t, "ERR_DATA_INVALID", readAll(path, "generate", 0));
  t.regex(error.message, /cannot be used for the task "generate"/);
});

test("a file that is not read to its end is closed", async (t) => {
  const path = writeLines(join(withTempDir(t), "data.jsonl"), Array(10_000).fill(response));
  const data = await openData(path, undefined, new BadLines(path, 0, undefined));
  await data.close();
  let more = 0;
  for await (const { line } of data.records) if (line > 1) more++;
  t.is(more, 0);
});
