/** What a pair counts: totals, histograms and the engine's tasks. */

import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { Histogram, Pair } from "../../lib/index.js";
import { answer, openPair, openSession, readAnswer, refusal, someTokens, traced, turns } from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;

/** The shape that every histogram has, whatever is in it. */
function isWhole(t: ExecutionContext, { bounds, counts, sum, count }: Histogram): void {
  t.is(counts.length, bounds.length + 1);
  t.deepEqual(
    bounds,
    bounds.toSorted((a, b) => a - b),
  );
  t.is(
    counts.reduce((all, some) => all + some, 0),
    count,
  );
  t.true(count === 0 ? sum === 0 : sum > 0);
}

test("a pair that has done nothing has empty histograms and nothing to do", async (t) => {
  const pair = await openPair(t, { decode });
  const metrics = pair.metrics();
  for (const name of ["timeToFirstTokenMs", "timeBetweenTokensMs", "decodeBatchSizes"] as const) {
    isWhole(t, metrics[name]);
    t.is(metrics[name].count, 0);
  }
  t.is(metrics.turnsBesidePrefill, 0);
  await pair.dispose();
  await refusal(t, "ERR_DISPOSED", () => pair.metrics());
});

for (const recipe of [{ decode }, {}] as const)
  test(`every token of an answer but the first has a time since the one before (${"decode" in recipe ? "two models" : "one"})`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 2 });
    const [one, two] = [await pair.createSession(), await pair.createSession()];
    await answer(one, someTokens(20), traced(30, 0));
    await answer(two, someTokens(20), traced(10, 0));
    const metrics = pair.metrics();
    isWhole(t, metrics.timeToFirstTokenMs);
    isWhole(t, metrics.timeBetweenTokensMs);
    t.is(metrics.timeToFirstTokenMs.count, 2);
    t.is(metrics.timeBetweenTokensMs.count, 29 + 9);
  });

test("the first token counts once for each answer to a prompt, not for one that goes on", async (t) => {
  const session = await openSession(t, { decode });
  const first = () => session.pair.metrics().timeToFirstTokenMs.count;
  await session.prefill(someTokens(20));
  await session.prefill(someTokens(5));
  await session.switch();
  t.is(first(), 0);
  await readAnswer(session.decode(traced(5, 0)));
  t.is(first(), 1);
  await readAnswer(session.decode(traced(5, 0)));
  t.is(first(), 1);
  t.is(session.pair.metrics().timeBetweenTokensMs.count, 4 + 4);
  await answer(session, someTokens(5), traced(1, 0));
  t.is(first(), 2);
});

test("the time to the first token begins with the call of the prefill, waiting for its turn included", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const begin = performance.now();
  await session.prefill(someTokens(20));
  const pause = begin + 60;
  while (performance.now() < pause) await sleep(5);
  await session.switch();
  await readAnswer(session.decode(traced(1, 0)));
  const took = performance.now() - begin;
  const { sum } = pair.metrics().timeToFirstTokenMs;
  t.true(sum >= 50 && sum <= took, `${sum} of ${took}`);
});

test("an answer that failed before its first token leaves no time behind for the next", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(someTokens(20));
  await session.switch();
  await refusal(t, "ERR_GRAMMAR_INVALID", readAnswer(session.decode({ grammar: "root ::= nothing" })));
  await readAnswer(session.decode(traced(5, 0)));
  t.is(session.pair.metrics().timeToFirstTokenMs.count, 0);
});

test("the sizes of the decode model's batches add up to the tokens that it has read", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 4 });
  await Promise.all(
    [0, 1, 2, 3].map(async (i) => answer(await pair.createSession(), someTokens(20, i), traced(40, 0))),
  );
  const { decodeTokens, decodeBatches, decodeBatchSizes } = pair.metrics();
  isWhole(t, decodeBatchSizes);
  t.is(decodeBatchSizes.sum, decodeTokens);
  t.is(decodeBatchSizes.count, decodeBatches);
  // Larger ones are tried at least once.
  t.true((decodeBatchSizes.counts[0] ?? 0) < decodeBatches);
});

const inHand = (pair: Pair) => {
  const { running, ready } = pair.metrics().tasks;
  return running + ready;
};

/** A task tells its end shortly before it is over. */
async function idle(pair: Pair): Promise<void> {
  while (inHand(pair) > 0) await immediate();
}

test("tasks are counted while they are under way, and where an answer waits for its reader", async (t) => {
  const pair = await openPair(t, { decode, contextSize: 1024, maxSessions: 3 });
  await idle(pair);
  const session = await pair.createSession();
  await session.prefill(someTokens(20));
  await session.switch();
  const chunks = session.decode(traced(600, 0))[Symbol.asyncIterator]();
  await chunks.next();
  // On a busy machine it may have written all that it can by now.
  t.is(inHand(pair) + pair.metrics().tasks.waitingForReader, 1);
  // It writes 256 tokens ahead and then waits; the others' turns are more than that.
  await turns(pair, 300);
  await idle(pair);
  t.is(pair.metrics().tasks.waitingForReader, 1);
  for (let next = await chunks.next(); !next.done; next = await chunks.next());
  await idle(pair);
  t.is(pair.metrics().tasks.waitingForReader, 0);
});

test("what an answer waited for its reader is no time between tokens", async (t) => {
  const pair = await openPair(t, { decode, contextSize: 1024, maxSessions: 2 });
  const session = await pair.createSession();
  await session.prefill(someTokens(20));
  await session.switch();
  const chunks = session.decode(traced(600, 0))[Symbol.asyncIterator]();
  await chunks.next();
  await turns(pair, 300);
  await idle(pair);
  t.is(pair.metrics().tasks.waitingForReader, 1);
  const before = pair.metrics().timeBetweenTokensMs;
  await sleep(300);
  const resumed = performance.now();
  for (let next = await chunks.next(); !next.done; next = await chunks.next());
  const rest = performance.now() - resumed;
  const after = pair.metrics().timeBetweenTokensMs;
  t.true(after.sum - before.sum <= rest, `${after.sum - before.sum} of ${rest}`);
  // Those of the other session, and this one's without the tokens that had to wait.
  t.true(after.count < 299 + 599, String(after.count));
});
