/** The file of answers: what another run finds of it, whenever the one before it ended. */

import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AnswerFile, progressPathOf } from "../../../lib/eval/answers/answer-file.js";
import { noAnswers } from "../../../lib/eval/answers/chosen-answers.js";
import { refusal } from "../../engine/fixtures.js";
import { withTempDir } from "../../support/temp-dir.js";

const facts = { model: "abc", data: "def", seed: 1, stop: ["\n"] };
const done = { ...noAnswers, answers: 1, kept: 1, tokens: 5 };

/** A file with three prompts done, the second of which has no line. */
async function begun(t: ExecutionContext): Promise<string> {
  const path = join(withTempDir(t), "out.jsonl");
  const file = await AnswerFile.open(path, facts, false);
  await file.add('{"a":1}\n', done);
  await file.add("", { ...noAnswers, problem: "too long" });
  await file.add('{"ä":2}\n{"c":3}\n', done);
  await file.close();
  return path;
}

async function goOn(path: string, add = '{"d":4}\n') {
  const file = await AnswerFile.open(path, facts, true);
  await file.add(add, done);
  await file.close();
  return file.before;
}

test("a run that goes on finds what is done, and writes behind it", async (t) => {
  const path = await begun(t);
  const before = await goOn(path);
  t.is(before.length, 3);
  t.like(before[1], { kept: 0, problem: "too long" });
  t.is(readFileSync(path, "utf8"), '{"a":1}\n{"ä":2}\n{"c":3}\n{"d":4}\n');
  t.is((await goOn(path, "")).length, 4);
});

test("lines of a prompt that is not done are cut off", async (t) => {
  const path = await begun(t);
  appendFileSync(path, '{"e":5}\n{"cu');
  appendFileSync(progressPathOf(path), '{"prompt":3,"en');
  t.is((await goOn(path)).length, 3);
  t.is(readFileSync(path, "utf8"), '{"a":1}\n{"ä":2}\n{"c":3}\n{"d":4}\n');
  t.is(readFileSync(progressPathOf(path), "utf8").trimEnd().split("\n").length, 5);
});

test("a prompt whose lines the file lacks is not done", async (t) => {
  const path = await begun(t);
  truncateSync(path, 12);
  t.is((await goOn(path)).length, 2);
  t.is(readFileSync(path, "utf8"), '{"a":1}\n{"d":4}\n');
  rmSync(path);
  t.is((await goOn(path)).length, 0);
  t.is(readFileSync(path, "utf8"), '{"d":4}\n');
});

test("there may be nothing to go on with", async (t) => {
  const path = join(withTempDir(t), "out.jsonl");
  t.deepEqual(await goOn(path), []);
  truncateSync(progressPathOf(path), 10);
  t.deepEqual(await goOn(path), []);
});

test("without going on the file begins anew", async (t) => {
  const path = await begun(t);
  await (await AnswerFile.open(path, { ...facts, seed: 2 }, false)).close();
  t.is(readFileSync(path, "utf8"), "");
  t.regex(readFileSync(progressPathOf(path), "utf8"), /^\{.*"seed":2.*\}\n$/);
});

for (const [fact, other] of [
  ["model", "abd"],
  ["seed", 2],
  ["stop", ["\n", "."]],
  ["stop", undefined],
  ["topK", 5],
] as const)
  test(`another ${fact} (${JSON.stringify(other)}) is refused, and nothing is lost`, async (t) => {
    const path = await begun(t);
    const text = readFileSync(path, "utf8");
    const error = await refusal(t, "ERR_CHECKPOINT_INVALID", AnswerFile.open(path, { ...facts, [fact]: other }, true));
    t.deepEqual(error.details, { path: progressPathOf(path), fact });
    t.is(readFileSync(path, "utf8"), text);
    t.is((await goOn(path)).length, 3);
  });

for (const [title, spoil] of [
  ["no JSON", () => "no JSON\n"],
  ["another kind of file", () => '{"overfill":"checkpoint","version":1,"facts":{}}\n'],
  ["another version", (text: string) => text.replace('"version":1', '"version":2')],
  ["a prompt twice", (text: string) => text.replace('"prompt":1', '"prompt":0')],
  ["an end before the last one", (text: string) => text.replace(/"end":2\d/, '"end":1')],
  ["a count that is none", (text: string) => text.replace('"kept":1', '"kept":-1')],
  ["a line that is cut in the middle", (text: string) => text.replace(/\{"prompt":1.*/, '{"prompt":1')],
] as const)
  test(`a progress with ${title} is refused`, async (t) => {
    const path = await begun(t);
    const progress = progressPathOf(path);
    const text = readFileSync(progress, "utf8");
    writeFileSync(progress, spoil(text));
    t.not(readFileSync(progress, "utf8"), text);
    const error = await refusal(t, "ERR_CHECKPOINT_INVALID", AnswerFile.open(path, facts, true));
    t.is(error.details.path, progress);
  });

test("an output that is another file by now is refused", async (t) => {
  const path = await begun(t);
  writeFileSync(path, "x".repeat(100));
  const error = await refusal(t, "ERR_CHECKPOINT_INVALID", AnswerFile.open(path, facts, true));
  t.is(error.details.fact, "out");
});

test("a place that cannot be written to is told", async (t) => {
  const path = join(withTempDir(t), "none", "out.jsonl");
  const error = await refusal(t, "ERR_FILE_WRITE_FAILED", AnswerFile.open(path, facts, false));
  t.is(error.details.path, path);
});
