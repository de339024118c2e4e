/** The examples of docs/saved-sessions.md run one after the other. */

import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/saved-sessions.md");

test("the page's examples run", async (t) => {
  t.is(page.programs.length, 2);
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs.join("\n"));
  t.is(stderr, "");
  t.is(stdout.trimEnd().split("\n").at(-1), "system,user,assistant");
});
