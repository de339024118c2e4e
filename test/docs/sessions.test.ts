/** The examples of docs/sessions.md run one after the other. */

import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/sessions.md");

test("the page's examples run", async (t) => {
  t.is(page.programs.length, 4);
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs.join("\n"));
  t.is(stderr, "");
  const lines = stdout.trimEnd().split("\n");
  // Two answers of a fork and its origin, four by the seeds from 1 on, and what becomes of a truncated session.
  t.deepEqual(
    lines.slice(2, 6).map((line) => line.split(" ")[0]),
    ["1", "2", "3", "4"],
  );
  t.is(lines.at(-1), "true");
});
