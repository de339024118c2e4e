/**
 * Writes one greedy answer in a process of its own, for tests of what might take the process with it. Takes a model and the
 * decode options, as JSON, on stdin; prints `{"text", "reason"}` or `{"code", "message"}`.
 */

import { text } from "node:stream/consumers";
import { loadPair } from "../../../dist/index.js";

const { model, options } = JSON.parse(await text(process.stdin));
const pair = await loadPair({ prefill: { model }, threads: 1, gpu: false });
const session = await pair.createSession();
try {
  const { text: written, decode } = await session.generate([50, 51, 52], { temperature: 0, ...options });
  process.stdout.write(JSON.stringify({ text: written, reason: decode.reason }));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }));
}
await pair.dispose();
