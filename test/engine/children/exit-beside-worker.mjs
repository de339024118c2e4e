/** The main thread exits while a worker does native work. Takes `{ what, ... }`, as JSON, on stdin. */

import { text } from "node:stream/consumers";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: JSON.parse(await text(process.stdin)) });
  worker.once("error", (error) => console.error(error)).once("message", () => process.exit(7));
} else {
  const { works } = await import("./native-work.mjs");
  const { what, ...files } = workerData;
  works[what]({ ...files, inside: () => parentPort.postMessage("inside") }).catch(() => {});
}
