// The thread with the pair: is sent { send: text }, { stop: true } or { close: true }, and sends the parts of the answer.
import { parentPort, workerData } from "node:worker_threads";
import { loadPair } from "overfill";

const { prefill, decode } = workerData;
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode } });
const chat = pair.chat({ overflow: "drop-oldest" });
let stream;

parentPort.on("message", async ({ send, stop, close }) => {
  if (stop) return stream?.abort();
  if (close) {
    await pair.dispose();
    return parentPort.close();
  }
  stream = chat.send(send, { maxTokens: 512 });
  try {
    for await (const part of stream) parentPort.postMessage(part);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
  parentPort.postMessage({ type: "end" });
});
