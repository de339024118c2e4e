/** Who holds a pair's folder, and when it is free again. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { lockFolder } from "../../lib/make/folder-lock.js";
import { refusal } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";

function foldersOf(t: ExecutionContext) {
  const folder = withTempDir(t);
  const work = join(folder, "work");
  mkdirSync(work);
  return { folder, work, take: () => lockFolder(folder, work), note: join(work, "lock.json") };
}

test("a folder that is held is refused with its holder's process, and free when that lets go", async (t) => {
  const { folder, take, note } = foldersOf(t);
  const first = await take();
  const error = await refusal(t, "ERR_PAIR_FOLDER_BUSY", take());
  t.deepEqual(error.details, { path: folder, pid: process.pid });
  t.true(error.message.includes(folder));
  await first[Symbol.asyncDispose]();
  t.false(existsSync(note));
  await (await take())[Symbol.asyncDispose]();
});

test("of two at once one holds the folder, whatever note a process that has ended has left", async (t) => {
  const { take, note } = foldersOf(t);
  const { pid } = spawnSync(process.execPath, ["--version"]);
  writeFileSync(note, JSON.stringify({ pid }));
  const both = await Promise.allSettled([take(), take()]);
  const refused = both.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  t.like(refused.reason, { code: "ERR_PAIR_FOLDER_BUSY", details: { pid: process.pid } });
  t.is(both.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a holder that nothing is known of is refused all the same", async (t) => {
  const { take, folder, note } = foldersOf(t);
  const first = await take();
  writeFileSync(note, "{");
  t.deepEqual((await refusal(t, "ERR_PAIR_FOLDER_BUSY", take())).details, { path: folder });
  await first[Symbol.asyncDispose]();
});

test("a folder where no lock can be written is told by its code", async (t) => {
  const { take, work } = foldersOf(t);
  rmSync(work, { recursive: true });
  await refusal(t, "ERR_FILE_WRITE_FAILED", take());
});
