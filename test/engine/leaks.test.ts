/** What is loaded is freed: memory after many cycles, and processes that end by themselves. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";

const run = promisify(execFile);
const child = fileURLToPath(new URL("./leak-child.mjs", import.meta.url));
const dist = new URL("../../dist/index.js", import.meta.url).href;

test("200 cycles of load, use and dispose do not grow the process", async (t) => {
  // glibc raises the size from which it maps memory by itself, and what a model took then stays in its heaps for a while.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "131072" };
  const { stdout } = await run(process.execPath, ["--expose-gc", child, "200", "50"], { env });
  const rss: number[] = JSON.parse(stdout);
  t.is(rss.length, 4);
  const [first = 0, , , last = 0] = rss;
  // glibc keeps an arena per engine thread for a while, which is worth some megabytes; one context lost a cycle would be
  // hundreds. Smaller leaks are the sanitizer's affair (OVERFILL_SANITIZE=address, native/test).
  t.true(last < first + 32e6, rss.map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`).join(", "));
});

for (const [title, code] of [
  ["a pair that nobody disposes", "await loadPair(demoPair)"],
  ["a session that nobody disposes", "await (await loadPair(demoPair)).createSession()"],
  [
    "an answer that nobody reads to its end",
    "const s = await (await loadPair(demoPair)).createSession();" +
      "await s.prefill(demoPrompt); await s.switch(); await s.decode({ ignoreEos: true })[Symbol.asyncIterator]().next()",
  ],
  [
    "a call that waits for a place which nobody gives back",
    "globalThis.one = await (await loadPair(demoPair)).createSession(); one.pair.createSession()",
  ],
  ["a load that nobody awaits", "loadPair(demoPair)"],
] as const) {
  test(`${title} does not keep the process alive`, async (t) => {
    const program = `import { demoPair, demoPrompt, loadPair } from ${JSON.stringify(dist)}; ${code}; console.log("end")`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { timeout: 60_000 });
    t.is(stdout, "end\n");
  });
}
