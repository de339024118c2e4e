/**
 * Terminates a worker in the middle of native work, and then uses the addon itself. Takes `{ what, ... }`, as JSON, on
 * stdin; prints "alive" and the number of tokens that a pair wrote afterwards.
 */

import { text } from "node:stream/consumers";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

if (isMainThread) {
  const input = JSON.parse(await text(process.stdin));
  const rounds = input.rounds ?? 3;
  for (let round = 0; round < rounds; round++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: input });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await worker.terminate();
  }
  const { loadPair } = await import("../../../dist/index.js");
  const pair = await loadPair({ prefill: { model: input.model }, threads: 1, gpu: false });
  const { tokens } = await (await pair.createSession()).generate("the", { maxTokens: 3, ignoreEos: true });
  await pair.dispose();
  console.log(`alive ${tokens.length}`);
} else {
  const { calls, works } = await import("./native-work.mjs");
  const { what, ...files } = workerData;
  const inside = () => parentPort.postMessage("inside");
  (works[what] ?? calls[what])({ ...files, inside }).catch((error) => console.error(error.code ?? error));
}
