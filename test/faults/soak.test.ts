/** What a soak says of its samples, and a soak of a few seconds (`npm run test:soak` takes longer). */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { judge, type Sample } from "../../scripts/soak/samples.js";
import { withTempDir } from "../support/temp-dir.js";

const samples = (edit: (one: Sample, i: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 100 }, (_, i) => {
    const usual = { seconds: 10 * i, rssBytes: 2e8, heapBytes: 2e7, descriptors: 30, threads: 12, tokens: i };
    return { ...usual, ...edit(usual, i) };
  });

test("memory that grows, descriptors and threads that are left fail a soak; what is taken in the first tenth does not", (t) => {
  t.true(judge(samples(() => ({}))).passed);
  t.true(judge(samples((_, i) => (i < 10 ? { rssBytes: 1e8, threads: 3 } : {}))).passed);
  t.false(judge(samples((_, i) => ({ rssBytes: 2e8 + i * 1e5 }))).passed);
  t.false(judge(samples((_, i) => ({ descriptors: 30 + Math.floor(i / 40) }))).passed);
  t.false(judge(samples((_, i) => ({ threads: 12 + Math.floor(i / 40) }))).passed);
});

test("a short run is not judged by its memory", (t) => {
  const short = samples((_, i) => ({ seconds: i, rssBytes: 1e8 * (1 + i) }));
  t.like(judge(short), { judged: false, passed: true });
  t.throws(() => judge(short.slice(0, 5)), { instanceOf: RangeError });
});

test("a soak of seconds writes what it has seen", async (t) => {
  const out = withTempDir(t);
  const program = fileURLToPath(new URL("../../scripts/soak/main.ts", import.meta.url));
  const args = ["--import=tsx", program, "--minutes", "0.15", "--seed", "1", "--out", out];
  // Whether so short a run leaves a thread is not for a busy machine to say: it is what the report says that counts here.
  await promisify(execFile)(process.execPath, args).catch((error: { code?: number }) => t.is(error.code, 1));
  const report = JSON.parse(readFileSync(join(out, "soak.json"), "utf8"));
  t.is(report.wrongAnswers, 0);
  t.true(report.samples.length >= 10);
  t.true(report.counts.tokens > 100);
  t.regex(readFileSync(join(out, "soak.svg"), "utf8"), /^<svg/);
});
