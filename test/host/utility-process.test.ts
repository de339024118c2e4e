/** A host in a utility process of Electron's kind. */

import test from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";
import { greedy, quiet, refusal, traced } from "../engine/fixtures.js";
import { fakeUtilityProcess } from "./children/fake-utility-process.js";
import { isAlive } from "./fixtures.js";

test("answers, crashes, comes back and ends with its pair", async (t) => {
  await using here = await loadPair({ ...demoPair, ...quiet });
  let restarted = () => {};
  const again = new Promise<void>((resolve) => {
    restarted = resolve;
  });
  const pair = await loadPairInHost({
    ...demoPair,
    ...quiet,
    utilityProcess: fakeUtilityProcess,
    onRestart: () => restarted(),
  });
  const texts = await Promise.all(
    [here, pair].map(async (one) => {
      await using session = await one.createSession();
      return (await session.generate(demoPrompt, { ...greedy, maxTokens: 30 })).text;
    }),
  );
  t.is(texts[1], texts[0]);
  const session = await pair.createSession();
  process.kill(hostOf(pair)?.pid ?? 0, "SIGKILL");
  const error = await refusal(t, "ERR_HOST_CRASHED", session.generate(demoPrompt, traced(50)));
  t.is(error.details.reason, "exit");
  await again;
  const pid = hostOf(pair)?.pid ?? 0;
  t.true(isAlive(pid));
  await using other = await pair.createSession();
  t.is((await other.generate(demoPrompt, { ...greedy, maxTokens: 30 })).text, texts[0] ?? "");
  await pair.dispose();
  t.false(isAlive(pid));
});
