/** Calls for more sessions than a pair has places: they wait, in their order, and each ends in time. */

import { setImmediate as immediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import { type Pair, QueueError, type SessionOptions } from "../../lib/index.js";
import { answer, openPair, refusal, someTokens, traced } from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;

/** Lets the JavaScript thread wait, so that nothing is delivered to it, until the engine's thread has come so far. */
function spinUntil(isSo: () => boolean): void {
  const end = Date.now() + 60_000;
  while (!isSo()) if (Date.now() > end) throw new Error("it did not come");
}

const waiting = (pair: Pair) => pair.metrics().waiting;

test("a call beyond maxSessions waits, and gets the place that is given back", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2 });
  const [one, two] = [await pair.createSession(), await pair.createSession()];
  let hasIt = false;
  const third = pair.createSession().then((session) => {
    hasIt = true;
    return session;
  });
  t.like(pair.metrics(), { sessions: 2, waiting: 1 });
  // The engine's thread does other work meanwhile.
  t.is((await answer(two, someTokens(5), traced(2))).tokens.length, 2);
  t.false(hasIt);
  await one.dispose();
  const session = await third;
  t.like(pair.metrics(), { sessions: 2, waiting: 0 });
  t.is(session.stats().stage, "empty");
  for (const any of [two, session]) t.is((await answer(any, someTokens(5), traced(2))).tokens.length, 2);
  await Promise.all([session.dispose(), two.dispose()]);
  t.like(pair.metrics(), { sessions: 0, waiting: 0 });
});

test("of those that wait the highest priority goes first, equal ones in the order in which they came", async (t) => {
  const pair = await openPair(t, { decode });
  const first = await pair.createSession();
  const order: string[] = [];
  const take = async (name: string, options: SessionOptions) => {
    await using _ = await pair.createSession(options);
    order.push(name);
  };
  const all = [
    take("third", {}),
    take("fifth", { priority: -1 }),
    take("first", { priority: 2 ** 31 - 1 }),
    take("fourth", { priority: 0 }),
    take("second", { priority: 7 }),
  ];
  await first.dispose();
  await Promise.all(all);
  t.deepEqual(order, ["first", "second", "third", "fourth", "fifth"]);
});

test("nobody starves: who was passed eight times goes next", async (t) => {
  const pair = await openPair(t, { decode });
  const first = await pair.createSession();
  const order: string[] = [];
  const take = async (name: string, priority: number) => {
    await using _ = await pair.createSession({ priority });
    order.push(name);
  };
  const all = [take("low", -5), ...Array.from({ length: 20 }, () => take("high", 5))];
  await first.dispose();
  await Promise.all(all);
  t.is(order.indexOf("low"), 8);
});

test("beyond maxWaiting a call is refused at once", async (t) => {
  const pair = await openPair(t, { decode, queue: { maxWaiting: 1 } });
  const session = await pair.createSession();
  const next = pair.createSession();
  const error = await refusal(t, "ERR_QUEUE_FULL", pair.createSession({ priority: 5 }));
  t.deepEqual(error.details, { maxSessions: 1, maxWaiting: 1 });
  t.true(QueueError.isInstance(error));
  await refusal(t, "ERR_QUEUE_FULL", pair.score([50], [[51]]));
  await session.dispose();
  await (await next).dispose();
});

test("with maxWaiting 0 no call waits", async (t) => {
  const pair = await openPair(t, { decode, queue: { maxWaiting: 0, timeoutMs: 60_000 } });
  const session = await pair.createSession();
  const error = await refusal(t, "ERR_QUEUE_FULL", pair.createSession());
  t.deepEqual(error.details, { maxSessions: 1, maxWaiting: 0 });
  await session.dispose();
  await (await pair.createSession()).dispose();
});

test("a call that waits too long fails, and its place in the queue is another's", async (t) => {
  const pair = await openPair(t, { decode, queue: { timeoutMs: 20, maxWaiting: 1 } });
  const session = await pair.createSession();
  const error = await refusal(t, "ERR_QUEUE_TIMEOUT", pair.createSession());
  t.deepEqual(error.details, { timeoutMs: 20 });
  t.is(waiting(pair), 0);
  await refusal(t, "ERR_QUEUE_TIMEOUT", pair.score([50], [[51]]));
  await refusal(t, "ERR_QUEUE_TIMEOUT", pair.chat({ template: "chatml" }).send("x").finished);
  await session.dispose();
  await (await pair.createSession()).dispose();
  t.is(pair.metrics().sessions, 0);
});

test("the timeout is for the wait alone", async (t) => {
  const pair = await openPair(t, { decode, queue: { timeoutMs: 1 } });
  const session = await pair.createSession();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is((await answer(session, someTokens(20), traced(20))).tokens.length, 20);
});

test("an abort ends the wait with the signal's reason, and leaves the others' order", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const controller = new AbortController();
  const reason = { why: "enough" };
  const aborted = pair.createSession({ priority: 9, signal: controller.signal });
  const next = pair.createSession();
  const scored = pair.score([50], [[51]], { priority: 9, signal: controller.signal });
  t.is(waiting(pair), 3);
  controller.abort(reason);
  t.is(waiting(pair), 1);
  t.is(await aborted.catch((error: unknown) => error), reason);
  t.is(await scored.catch((error: unknown) => error), reason);
  const late = pair.createSession({ signal: controller.signal });
  t.is(await late.catch((error: unknown) => error), reason);
  await session.dispose();
  await (await next).dispose();
  t.like(pair.metrics(), { sessions: 0, waiting: 0 });
});

test("an abort that comes when the place has been given already gives it back", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const controller = new AbortController();
  const reason = new Error("enough");
  const late = pair.createSession({ signal: controller.signal });
  const disposed = session.dispose();
  spinUntil(() => waiting(pair) === 0);
  controller.abort(reason);
  await t.throwsAsync(late, { is: reason });
  await disposed;
  t.is(pair.metrics().sessions, 0);
  await (await pair.createSession()).dispose();
});

test("a timeout that comes when the place has been given already changes nothing", async (t) => {
  const pair = await openPair(t, { decode, queue: { timeoutMs: 1 } });
  const session = await pair.createSession();
  const late = pair.createSession();
  const disposed = session.dispose();
  spinUntil(() => waiting(pair) === 0);
  const begun = Date.now();
  spinUntil(() => Date.now() > begun + 5);
  await (await late).dispose();
  await disposed;
  t.is(pair.metrics().sessions, 0);
});

test("disposing the pair fails all that wait, at once", async (t) => {
  const pair = await openPair(t, { decode, contextSize: 1024 });
  const session = await pair.createSession();
  // What runs takes its time; nobody has to wait for it.
  const running = session.prefill(someTokens(800)).catch(() => {});
  const calls = [
    pair.createSession(),
    pair.createSession({ priority: 3, signal: new AbortController().signal }),
    pair.score([50], [[51]]),
    pair.chat({ template: "chatml" }).send("x").finished,
  ];
  spinUntil(() => waiting(pair) >= 3);
  const disposed = pair.dispose();
  for (const call of calls) await refusal(t, "ERR_DISPOSED", call);
  await disposed;
  await running;
  await refusal(t, "ERR_DISPOSED", pair.createSession());
});

test("a session that is garbage gives its place to who waits", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const pair = await openPair(t, { decode });
  await (async () => {
    const session = await pair.createSession();
    await session.prefill([50]);
  })();
  // With a signal the call keeps the process alive.
  const next = pair.createSession({ signal: new AbortController().signal });
  t.is(waiting(pair), 1);
  let has = false;
  const session = next.then((got) => {
    has = true;
    return got;
  });
  for (let i = 0; i < 1000 && !has; i++) {
    collect();
    await immediate();
  }
  t.true(has);
  t.is((await answer(await session, someTokens(5), traced(2))).tokens.length, 2);
});

test("scoring waits for a place and gives it back", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const scores = [0, 1, 2].map(() => pair.score([50], [[51, 52]]));
  t.is(waiting(pair), 3);
  await session.dispose();
  for (const { responses } of await Promise.all(scores)) t.deepEqual(responses[0]?.tokens, [51, 52]);
  t.like(pair.metrics(), { sessions: 0, waiting: 0 });
});

test("a chat's first answer waits for a place, by the priority of that answer", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const order: string[] = [];
  const say = async (name: string, priority: number) => {
    await using chat = pair.chat({ template: "chatml" });
    await chat.send("x", { maxTokens: 3, priority }).finished;
    order.push(name);
  };
  const all = [say("second", 0), say("first", 1)];
  while (waiting(pair) < 2) await immediate();
  await session.dispose();
  await Promise.all(all);
  t.deepEqual(order, ["first", "second"]);
});

test("a chat that waits is stopped by its signal, by abort and by its disposal, and can be asked again", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  const waits = async () => {
    while (waiting(pair) === 0) await immediate();
  };
  const chat = pair.chat({ template: "chatml" });
  const controller = new AbortController();
  const { finished } = chat.send("x", { signal: controller.signal });
  await waits();
  controller.abort(new Error("enough"));
  t.like(await finished, { finishReason: "abort", text: "" });
  t.is(waiting(pair), 0);
  t.deepEqual(chat.messages, []);

  const stream = chat.send("x");
  await waits();
  stream.abort();
  t.is((await stream.finished).finishReason, "abort");
  t.is(waiting(pair), 0);

  const other = pair.chat({ template: "chatml" });
  const stopped = other.send("x").finished;
  await waits();
  await other.dispose();
  t.is((await stopped).finishReason, "abort");
  t.is(waiting(pair), 0);

  await session.dispose();
  t.not((await chat.send("x", { maxTokens: 3 }).finished).finishReason, "abort");
  await chat.dispose();
  t.is(pair.metrics().sessions, 0);
});
