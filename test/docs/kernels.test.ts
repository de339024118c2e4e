/** The example of docs/kernels.md runs. */

import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/kernels.md");

test("the page's example runs, and tells which kernels the demo pair has", async (t) => {
  t.is(page.programs.length, 1);
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs[0] ?? "");
  t.is(stderr, "");
  t.regex(stdout, /^\{\s*instructions: (false|'[\w-]+'),\s*reason: /);
});
