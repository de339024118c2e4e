/** The sessions of a pair that requests share with the app itself. */

import test from "ava";
import { SessionPool, type SessionRequest } from "../../lib/server/session-pool.js";
import { openScriptedPair } from "./fixtures.js";

const request = (text: string): SessionRequest => ({
  ...{ text, cacheKey: undefined, signal: new AbortController().signal },
});

/** Something that is done when it is told. */
function heldUp() {
  let finish = () => {};
  const held = new Promise<string>((resolve) => {
    finish = () => resolve("");
  });
  return { held, finish: () => finish() };
}

test("a session that the app gives back goes to the request that waits first, also beside running ones", async (t) => {
  const pair = await openScriptedPair(t, { maxSessions: 2 });
  const pool = new SessionPool(pair, { maxWaiting: 8, waitMs: undefined });
  const own = await pair.createSession();
  const { held, finish } = heldUp();
  const running = pool.use(request("a"), () => held);
  const order: string[] = [];
  const use = (name: string) =>
    pool.use(request(name), async () => {
      order.push(name);
      return name;
    });
  const second = use("b");
  t.is(pool.waiting, 1);
  const returned = own.dispose();
  const third = use("c");
  await Promise.all([returned, second, third]);
  t.deepEqual(order, ["b", "c"]);
  finish();
  await running;
  await pool.dispose();
});

test("who leaves the queue leaves no call behind that waits for a session", async (t) => {
  const pair = await openScriptedPair(t, { maxSessions: 2 });
  const pool = new SessionPool(pair, { maxWaiting: 8, waitMs: undefined });
  await using _own = await pair.createSession();
  const { held, finish } = heldUp();
  const running = pool.use(request("a"), () => held);
  const leaving = new AbortController();
  const second = pool.use({ ...request("b"), signal: leaving.signal }, async () => "");
  while (pair.metrics().waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  leaving.abort(new Error("left"));
  await t.throwsAsync(second, { message: "left" });
  while (pair.metrics().waiting > 0) await new Promise((resolve) => setImmediate(resolve));
  finish();
  await running;
  await pool.use(request("c"), async () => "");
  await pool.dispose();
});
