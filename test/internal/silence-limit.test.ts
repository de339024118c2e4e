/** Time limits on what others say, in a process that stands still itself. */

import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { limitSilence } from "../../lib/internal/silence-limit.js";

/** Nothing of this thread has its turn meanwhile. */
const standStill = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test("a silence is told once", async (t) => {
  let count = 0;
  await new Promise<void>((resolve) => {
    limitSilence(20, () => {
      count++;
      resolve();
    });
  });
  await turn();
  t.is(count, 1);
});

test("time in which this process stood still does not count", async (t) => {
  let isLate = false;
  const silence = new Promise<void>((resolve) => {
    limitSilence(200, () => {
      isLate = true;
      resolve();
    });
  });
  standStill(600);
  for (let i = 0; i < 5; i++) await turn();
  t.false(isLate);
  await silence;
  t.true(isLate);
});

test("what came just before the end is heard first", async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => port1.close());
  const heard: string[] = [];
  await new Promise<void>((resolve) => {
    const limit = limitSilence(1000, () => {
      heard.push("silence");
      resolve();
    });
    port1.once("message", () => {
      heard.push("words");
      limit.cancel();
      resolve();
    });
    port2.postMessage("");
    // Due within this, and not late enough to begin anew.
    standStill(1010);
  });
  t.deepEqual(heard, ["words"]);
});
