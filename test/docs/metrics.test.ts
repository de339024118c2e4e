/** The examples of docs/metrics.md run one after the other, and its table has every field. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { openPair } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/metrics.md"), "utf8");

test("the page's examples run", async (t) => {
  const folder = withTempDir(t);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  const code = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.is(code.length, 2);
  writeFileSync(join(folder, "page.mjs"), code.join("\n"));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["page.mjs"], { cwd: folder });
  t.is(stderr, "");
  t.regex(stdout, /^# TYPE overfill_time_to_first_token_seconds histogram\noverfill_\w+_bucket\{le="0.001"\} \d+\n/);
  t.regex(stdout, /overfill_time_to_first_token_seconds_bucket\{le="\+Inf"\} 4\n/);
  t.regex(stdout, /overfill_time_to_first_token_seconds_count 4\n/);
  t.regex(stdout, /\npair 1, session 1: 8 tokens, length true\n$/);
});

test("the page tells of every field", async (t) => {
  const metrics = (await openPair(t)).metrics();
  for (const name of [...Object.keys(metrics), ...Object.keys(metrics.tasks)])
    t.true(page.includes(`\`${name}\``), name);
});
