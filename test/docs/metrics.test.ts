/** The examples of docs/metrics.md run one after the other, and its table has every field. */

import test from "ava";
import { openPair } from "../engine/fixtures.js";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/metrics.md");

test("the page's examples run", async (t) => {
  t.is(page.programs.length, 2);
  const { stdout, stderr } = await runProgram(withTempDir(t), page.programs.join("\n"));
  t.is(stderr, "");
  t.regex(stdout, /^# TYPE overfill_time_to_first_token_seconds histogram\noverfill_\w+_bucket\{le="0.001"\} \d+\n/);
  t.regex(stdout, /overfill_time_to_first_token_seconds_bucket\{le="\+Inf"\} 4\n/);
  t.regex(stdout, /overfill_time_to_first_token_seconds_count 4\n/);
  t.regex(stdout, /\npair 1, session 1: 8 tokens, length true\n$/);
});

test("the page tells of every field", async (t) => {
  const metrics = (await openPair(t)).metrics();
  for (const name of [...Object.keys(metrics), ...Object.keys(metrics.tasks)])
    t.true(page.text.includes(`\`${name}\``), name);
});
