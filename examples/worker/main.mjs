// A pair in a worker thread, so that this one only passes on what it says: node main.mjs full.gguf small.gguf "Hello"
import { once } from "node:events";
import { Worker } from "node:worker_threads";

const [prefill, decode = prefill, question = "Hello"] = process.argv.slice(2);
const worker = new Worker(new URL("worker.mjs", import.meta.url), { workerData: { prefill, decode } });

worker.on("message", (part) => {
  if (part.type === "text") process.stdout.write(part.text);
  if (part.type === "end") worker.postMessage({ close: true });
});
// What the worker throws, from the first model that is not there, comes here.
worker.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
process.on("SIGINT", () => worker.postMessage({ stop: true }));

worker.postMessage({ send: question });
await once(worker, "exit");
process.stdout.write("\n");
