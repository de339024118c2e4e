/** A process that dies or hangs is told from one that answers, and the next request gets another one. */

import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { WatchedProcess } from "../../scripts/faults/watched-process.js";

function watch(t: ExecutionContext, hangMs: number) {
  const watched = new WatchedProcess<{ how: string }, { kind: "answer"; how: string }>({
    path: fileURLToPath(new URL("./children/ends.ts", import.meta.url)),
    ...{ args: [], hangMs, memoryBytes: 2 ** 33 },
  });
  t.teardown(() => watched.close());
  return watched;
}

test("an answer is given, a death told with what was said last, and the next request answered", async (t) => {
  const watched = watch(t, 60_000);
  t.deepEqual(await watched.ask({ how: "answer" }), { kind: "answer", how: "answer" });
  t.like(await watched.ask({ how: "exit" }), { kind: "died", error: "ended with 3" });
  const aborted = await watched.ask({ how: "abort" });
  t.is(aborted.kind, "died");
  t.regex("error" in aborted ? aborted.error : "", /^ended with SIGABRT/);
  t.deepEqual(await watched.ask({ how: "again" }), { kind: "answer", how: "again" });
});

test("one that says nothing is killed", async (t) => {
  const watched = watch(t, 2000);
  t.is((await watched.ask({ how: "hang" })).kind, "hung");
});
