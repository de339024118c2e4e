import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { checkWithin } from "./check-within.js";

test("a run that the limit falls into is awaited, and none begins behind it", async (t) => {
  let begun = 0;
  let ended = 0;
  const property = fc.asyncProperty(fc.nat(), async () => {
    begun++;
    await delay(20);
    ended++;
  });
  const { failed, interrupted, numRuns } = await checkWithin(property, { numRuns: 10_000, limitMs: 50 });
  t.false(failed);
  t.true(interrupted);
  t.is(ended, begun);
  t.is(numRuns, begun);
  t.true(begun < 10_000);
});

test("a failure is found, and its draw told", async (t) => {
  const property = fc.asyncProperty(fc.nat(1000), async (value) => value < 10);
  const { failed, counterexample } = await checkWithin(property, { numRuns: 1000, limitMs: 60_000 });
  t.true(failed);
  t.deepEqual(counterexample, [10]);
});

test("where there is time all runs are made", async (t) => {
  const property = fc.asyncProperty(fc.nat(), async () => {});
  const { interrupted, numRuns } = await checkWithin(property, { numRuns: 7, limitMs: 60_000 });
  t.false(interrupted);
  t.is(numRuns, 7);
});
