/** A reader slower than the model must not starve the event loop. */

import test from "ava";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";

test("timers and signals get their turn although every read finds something ready", async (t) => {
  // Far more room than what is written until the third turn, on any machine.
  const pair = await loadPair({ ...demoPair, threads: 1, gpu: false, contextSize: 8192 });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  await session.prefill(demoPrompt);
  await session.switch();

  // At a turn and not at a time: without turns it never comes, and the answer fills the context.
  const reason = new Error("enough");
  const stop = new AbortController();
  let ticks = 0;
  const clock = setInterval(() => {
    if (++ticks === 3) stop.abort(reason);
  }, 1);
  t.teardown(() => clearInterval(clock));
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
  t.is(session.stats().decodeTokens, tokens);
});
