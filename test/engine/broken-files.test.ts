/**
 * Broken and foreign files: each gives its coded error, all in one process, so that none of them may end it; and loading
 * goes on working afterwards.
 */

import test from "ava";
import { inspect, loadPair, OverfillError, type Pair, type PairInspection } from "../../lib/index.js";
import { badModels } from "../support/bad-models.js";
import { lookupPair, lookupPrompt } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";

const quiet = { threads: 1, gpu: false } as const;

/** The code with which a call is refused; "" if it is not. */
async function codeOf(call: () => Promise<Pair | PairInspection>): Promise<string> {
  try {
    const loaded = await call();
    if ("dispose" in loaded) await loaded.dispose();
    return "";
  } catch (error) {
    if (!OverfillError.isInstance(error)) throw error;
    return error.code;
  }
}

test("every broken file is refused with its code, as prefill model, as decode model and by inspect", async (t) => {
  const bad = await badModels(withTempDir(t));
  t.true(bad.length > 150);
  for (const { title, path, code } of bad) {
    const model = { model: path };
    t.is(await codeOf(() => loadPair({ ...quiet, prefill: model })), code, title);
    t.is(await codeOf(() => loadPair({ ...quiet, prefill: lookupPair.prefill, decode: model })), code, title);
    t.is(await codeOf(() => inspect({ prefill: model })), code, title);
  }
  const pair = await loadPair({ ...lookupPair, ...quiet });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  t.is((await session.generate(lookupPrompt, { temperature: 0 })).text, " ball red kitchen");
});
