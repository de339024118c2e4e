/** A host at the other end of a port, which the app started itself. */

import { MessageChannel, Worker } from "node:worker_threads";
import test from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";
import { greedy, quiet, refusal } from "../engine/fixtures.js";

/** A thread that serves the port it is given. */
const startHost = (port: MessagePort) =>
  new Worker(new URL("./children/port-host.mjs", import.meta.url), { workerData: { port }, transferList: [port] });

type MessagePort = InstanceType<typeof MessageChannel>["port1"];

test("a pair behind a port answers, and the host frees it when the port closes", async (t) => {
  const { port1, port2 } = new MessageChannel();
  const worker = startHost(port2);
  t.teardown(() => worker.terminate());
  await using here = await loadPair({ ...demoPair, ...quiet });
  const pair = await loadPairInHost({ ...demoPair, ...quiet, port: port1 });
  const texts = await Promise.all(
    [here, pair].map(async (one) => {
      await using session = await one.createSession();
      return (await session.generate(demoPrompt, { ...greedy, maxTokens: 30 })).text;
    }),
  );
  t.is(texts[1], texts[0]);
  t.is(hostOf(pair)?.pid, undefined);
  const ended = new Promise<number>((resolve) => {
    worker.once("exit", resolve);
  });
  await pair.dispose();
  t.is(await ended, 0);
});

test("a port that closes is a crash, after which nothing comes", async (t) => {
  const { port1, port2 } = new MessageChannel();
  const worker = startHost(port2);
  const pair = await loadPairInHost({ ...demoPair, ...quiet, port: port1 });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  const answer = session.generate(demoPrompt, { ...greedy, maxTokens: 2000, ignoreEos: true });
  await worker.terminate();
  const error = await refusal(t, "ERR_HOST_CRASHED", answer);
  t.is(error.details.reason, "closed");
  await refusal(t, "ERR_HOST_CRASHED", pair.createSession());
});
