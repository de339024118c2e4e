/** A worker of the soak: loads the demo pair, reads and writes, and says where it is. */

import { parentPort, workerData } from "node:worker_threads";
import { demoPair, demoPrompt, loadPair } from "../../dist/index.js";

const pair = await loadPair({ ...demoPair, threads: 1, gpu: false, contextSize: 512 });
parentPort.postMessage({ stage: "loaded" });
const session = await pair.createSession();
await session.prefill(demoPrompt);
parentPort.postMessage({ stage: "read" });
await session.switch();
let said = false;
for await (const { tokens } of session.decode({ maxTokens: 100, ignoreEos: true, seed: workerData.seed })) {
  parentPort.postMessage({ tokens: tokens.length, ...(!said && { stage: "writing" }) });
  said = true;
}
if (workerData.seed % 2) await pair.dispose();
