/** An app that shows a finished answer should cost nothing. */

import { setTimeout } from "node:timers/promises";
import test from "ava";
import { answer, openSession, someTokens, traced } from "./fixtures.js";

test("after an answer the pair's threads sleep", async (t) => {
  const session = await openSession(t, { decode: { seed: 2 }, threads: 2 });
  await answer(session, someTokens(30), traced(20));
  const before = process.cpuUsage();
  await setTimeout(300);
  const { user, system } = process.cpuUsage(before);
  // Left to itself, ggml's worker polls for about 110 ms of processor time, whatever else the machine has to do.
  t.true((user + system) / 1000 < 60, `${(user + system) / 1000} ms`);
});
