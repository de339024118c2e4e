/**
 * How fast this machine reads its memory, which is what bounds the writing of tokens: every weight is read for each of them.
 * As many threads as a pair would use compare two blocks that no cache holds, which the C library does as fast as it can.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Of all threads together: more than any processor's cache. */
const totalBytes = 512 * 2 ** 20;
const measuredMs = 500;

/** Written here, so that a bundle needs no file for it. */
const readerProgram = `
const { parentPort, workerData } = require("node:worker_threads");
const one = Buffer.alloc(workerData.bytes, 1), other = Buffer.alloc(workerData.bytes, 1);
parentPort.once("message", () => {
  const began = performance.now();
  let read = 0, ms = 0;
  while (ms < workerData.ms) {
    if (!one.equals(other)) throw new Error("memory that changes by itself");
    read += 2 * workerData.bytes;
    ms = performance.now() - began;
  }
  parentPort.postMessage(read / ms * 1000);
});
parentPort.postMessage(0);`;

/** Bytes a second. Takes about a second, and memory of 512 MiB, or an eighth of what there is. */
export async function measureBandwidth(threads: number, availableBytes: number): Promise<number> {
  const bytes = Math.floor(Math.min(totalBytes, availableBytes / 8) / threads / 2 / 4096) * 4096;
  if (bytes === 0) return 0;
  const workers = Array.from(
    { length: threads },
    () => new Worker(readerProgram, { eval: true, workerData: { bytes, ms: measuredMs } }),
  );
  try {
    // All have their memory before one begins.
    await Promise.all(workers.map((worker) => once(worker, "message")));
    const speeds = workers.map(async (worker) => {
      const told = once(worker, "message");
      worker.postMessage("go");
      const [speed] = (await told) as [number];
      return speed;
    });
    return (await Promise.all(speeds)).reduce((sum, speed) => sum + speed, 0);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
