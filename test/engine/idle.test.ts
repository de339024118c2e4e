/** An app that shows a finished answer should cost nothing. */

import { setTimeout } from "node:timers/promises";
import test from "ava";
import { answer, openSession, someTokens, traced } from "./fixtures.js";

test("after an answer the pair's threads sleep", async (t) => {
  const session = await openSession(t, { decode: { seed: 2 }, threads: 2 });
  const used: number[] = [];
  // The least of five: a collection of garbage, or what else the process has to do, is not the pair's.
  for (let i = 0; i < 5; i++) {
    await answer(session, someTokens(30), { ...traced(20), ignoreEos: true });
    const before = process.cpuUsage();
    await setTimeout(300);
    const { user, system } = process.cpuUsage(before);
    used.push((user + system) / 1000);
  }
  // Left to itself, ggml's worker polls for about 110 ms of processor time, whatever else the machine has to do.
  t.true(Math.min(...used) < 60, `${used} ms`);
});
