/**
 * `npm run test:soak`: the demo pair under random load for as long as wanted. Sessions, chats, aborts, forks, saves, pairs
 * loaded and disposed, and workers that end or are terminated, six of them at a time (docs/reliability.md).
 *
 *     npm run test:soak -- [--minutes N] [--seed N] [--out DIR]
 *
 *     --minutes N   how long; 10 if left out. Memory is judged in runs of ten minutes and more
 *     --seed N      of what is drawn; the time if left out
 *     --out DIR     where soak.json and soak.svg are written; build/soak if left out
 *
 * Ends with 1 if memory grew by more than 2% after the first tenth, if descriptors or threads are left, or an answer was wrong.
 */

import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeTempDir } from "../../test/support/temp-dir.js";
import type { SoakCounts } from "./activities.js";
import { soakPlot } from "./plot.js";
import { judge, type Sample } from "./samples.js";

const { values } = parseArgs({
  options: { minutes: { type: "string" }, seed: { type: "string" }, out: { type: "string" } },
});
const minutes = Number(values.minutes ?? 10);
const seed = Number(values.seed ?? Math.floor(Date.now() / 1000));
if (!(minutes > 0)) throw new RangeError("--minutes: expected a number above 0");
if (!Number.isSafeInteger(seed)) throw new RangeError("--seed: expected a whole number");
const out = values.out ?? join(import.meta.dirname, "..", "..", "build", "soak");

const folder = makeTempDir();
try {
  console.log(`seed ${seed}`);
  const program = fileURLToPath(new URL("./soak-process.ts", import.meta.url));
  const args = ["--expose-gc", "--import=tsx", program, String(minutes * 60), String(seed), folder.path];
  // glibc raises the size from which it maps memory by itself; what a model took then stays in its heaps for a while.
  // And an arena for every thread, of which workers come and go: what one has left unused is not what is asked for here.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_ARENA_MAX: "2" };
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], env });
  const ended = new Promise<string>((resolve) => child.on("close", (code, signal) => resolve(String(signal ?? code))));
  const [printed, end] = await Promise.all([text(child.stdout), ended]);
  if (end !== "0") throw new Error(`the soak ended with ${end}`);
  const found: { samples: Sample[]; counts: SoakCounts; wrongAnswers: number } = JSON.parse(printed);
  const verdict = judge(found.samples);
  const passed = verdict.passed && found.wrongAnswers === 0;
  const report = { ...{ minutes, seed, node: process.version, passed, verdict }, ...found };
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "soak.json"), `${JSON.stringify(report, null, 2)}\n`);
  const subtitle = `${minutes} minutes, ${(found.counts.tokens / 1e6).toFixed(1)} million tokens, Node ${process.version}`;
  await writeFile(join(out, "soak.svg"), soakPlot(found.samples, subtitle));
  console.log(JSON.stringify({ ...verdict, passed, wrongAnswers: found.wrongAnswers, ...found.counts }, null, 2));
  process.exitCode = passed ? 0 : 1;
} finally {
  await folder.remove();
}
