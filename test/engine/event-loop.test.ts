/** A reader slower than the model must not starve the event loop. */

import test from "ava";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";

test("timers and signals get their turn although every read finds something ready", async (t) => {
  const pair = await loadPair({ ...demoPair, threads: 1, gpu: false });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  await session.prefill(demoPrompt);
  await session.switch();

  let ticks = 0;
  const clock = setInterval(() => ticks++, 1);
  t.teardown(() => clearInterval(clock));
  const reason = new Error("enough");
  const stop = new AbortController();
  setTimeout(() => stop.abort(reason), 100);
  const busyFor = (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  let tokens = 0;
  const reading = async () => {
    for await (const chunk of session.decode({ temperature: 0, ignoreEos: true, signal: stop.signal })) {
      tokens += chunk.tokens.length;
      busyFor(15);
    }
  };
  t.is(await t.throwsAsync(reading()), reason);
  t.true(ticks > 1);
  t.is(session.stats().decodeTokens, tokens);
});
