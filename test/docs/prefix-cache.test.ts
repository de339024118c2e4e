/** The programs of docs/prefix-cache.md, which are one when they are put together. */

import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

test("the page's program reads the prompt once, and once more for a user of its own", async (t) => {
  const { programs } = readPage("docs/prefix-cache.md");
  const { stdout } = await runProgram(withTempDir(t), programs.join("\n"));
  const lines = stdout.trim().split("\n");
  const [, all] = lines[0]?.match(/^(\d+) of \1 tokens read$/) ?? [];
  t.truthy(all, stdout);
  t.is(lines[1], `1 of ${all} tokens read`);
  t.regex(lines[2] ?? "", /^\d+ tokens read ahead$/);
  t.is(lines[3], "0 tokens found on disk");
  t.is(lines[4], "256 tokens found on disk");
  t.is(lines[5], "0 tokens of it read before for this user");
  t.is(lines.length, 6);
});
