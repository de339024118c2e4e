/** The example of docs/quality.md runs. */

import test from "ava";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/quality.md");

test("the page's example runs, and the demo pair's exact answer is drafted well", async (t) => {
  t.is(page.programs.length, 2);
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs[0] ?? "");
  t.is(stderr, "");
  t.regex(stdout, /^"fast" ".*" undefined\n\{"acceptance":0\.3\} ".*" \{\n/);
  const kept = Number(/^"exact".*\{[^}]*keptTokens: (\d+)/ms.exec(stdout)?.[1]);
  t.true(kept > 8, stdout);
});

test("the page's budget buys refreshes", async (t) => {
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs[1] ?? "");
  t.is(stderr, "");
  t.regex(stdout, / [1-9]\d* [1-9]\d* [\d.]+\n$/);
});
