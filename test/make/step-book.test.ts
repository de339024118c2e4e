/** What makes a step be done again, and what does not. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { put, StepBook } from "../../lib/make/step-book.js";
import { refusal } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";

async function bookOf(t: ExecutionContext) {
  const folder = withTempDir(t);
  const file = join(folder, "a.txt");
  const runs: boolean[] = [];
  const step = (facts: unknown = 1, needs: readonly string[] = []) => ({
    name: "a",
    facts,
    needs,
    files: [file],
    run: async (goesOn: boolean) => {
      runs.push(goesOn);
      await put(file, "made");
      return { n: runs.length };
    },
  });
  return { folder, file, runs, step, book: await StepBook.open(join(folder, "book")) };
}

test("a step that is done is not done again, whoever asks", async (t) => {
  const { folder, runs, step, book } = await bookOf(t);
  const first = await book.do(step());
  t.deepEqual(await book.do(step()), first);
  t.deepEqual(await (await StepBook.open(join(folder, "book"))).do(step()), first);
  t.deepEqual(runs, [false]);
});

test("other facts, other needs and a lost file do it again", async (t) => {
  const { file, runs, step, book } = await bookOf(t);
  const keys = new Set<string>();
  for (const args of [[1], [2], [2, ["x"]], [2, ["y"]]] as const) keys.add((await book.do(step(...args))).key);
  t.is(keys.size, 4);
  rmSync(file);
  await book.do(step(2, ["y"]));
  t.deepEqual(runs, [false, false, false, false, true]);
});

test("a step that was begun and not ended goes on; with other facts it begins anew", async (t) => {
  const { runs, step, book } = await bookOf(t);
  const broken = { ...step(), run: () => Promise.reject(new Error("killed")) };
  await t.throwsAsync(book.do(broken), { message: "killed" });
  await book.do(step());
  t.deepEqual(runs, [true]);
  await t.throwsAsync(book.do({ ...broken, facts: 2 }), { message: "killed" });
  await book.do(step(3));
  t.deepEqual(runs, [true, false]);
});

test("a damaged note counts as none", async (t) => {
  const { folder, runs, step, book } = await bookOf(t);
  await book.do(step());
  const note = join(folder, "book", "a.json");
  t.regex(readFileSync(note, "utf8"), /"key"/);
  writeFileSync(note, '{"key');
  await book.do(step());
  t.is(runs.length, 2);
});

test("a folder that cannot be made is told by its code", async (t) => {
  const { file } = await bookOf(t);
  writeFileSync(file, "");
  await refusal(t, "ERR_FILE_WRITE_FAILED", StepBook.open(join(file, "book")));
});
