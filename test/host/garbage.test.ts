/** What nobody holds any more gives back what it has in the host. */

import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { quiet, someTokens } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { isAlive, openHost } from "./fixtures.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Collects garbage until it has had its effect; a test's own limit ends it. */
async function collectUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    collect();
    await immediate();
  }
}

test("a session that is garbage gives its place back, with an answer that was not read to its end", async (t) => {
  const { pair } = await openHost(t, { maxSessions: 1 });
  await (async () => {
    const session = await pair.createSession();
    await session.prefill(someTokens(10));
    await session.switch();
    await session.decode({ maxTokens: 400, ignoreEos: true })[Symbol.asyncIterator]().next();
  })();
  let next = false;
  const session = pair.createSession().then((opened) => {
    next = true;
    return opened;
  });
  await collectUntil(() => next);
  t.is((await session).stats().stage, "empty");
});

test("the host of a pair that is garbage ends", async (t) => {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"));
  const pid = await (async () => hostOf(await loadPairInHost({ ...quiet, prefill: { model: path } }))?.pid ?? 0)();
  t.true(isAlive(pid));
  await collectUntil(() => !isAlive(pid));
  t.false(isAlive(pid));
});
