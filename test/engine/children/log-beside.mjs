/**
 * node-llama-cpp with a logger of its own in the main thread, and a worker with this package that ends; then the main
 * thread loads a model. Takes `{ model, order }`, as JSON, on stdin; prints how many lines node-llama-cpp's logger got
 * while the worker loaded and while the main thread did.
 */

import { text } from "node:stream/consumers";
import { isMainThread, Worker, workerData } from "node:worker_threads";

if (isMainThread) {
  const { model, first } = JSON.parse(await text(process.stdin));
  const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
  let n = 0;
  const logger = () => { n++; }; // biome-ignore format: one line
  const options = { gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.debug, logger };
  // Lines that were logged already have been delivered when two turns of the loop have passed.
  const delivered = async () => {
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const work = async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: model });
    await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
    await delivered();
    const got = n;
    n = 0;
    return got;
  };
  if (first === "overfill") await work();
  const llama = await getLlama(options);
  // Its own lines about loading.
  await delivered();
  n = 0;
  const during = await work();
  await llama.loadModel({ modelPath: model });
  await delivered();
  process.stdout.write(JSON.stringify({ during, after: n > 0 }), () => process.exit(0));
} else {
  const { loadPair } = await import("../../../dist/index.js");
  const pair = await loadPair({ prefill: { model: workerData }, gpu: false, threads: 1 });
  await pair.dispose();
}
