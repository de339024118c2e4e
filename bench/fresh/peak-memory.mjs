/**
 * The peak memory of a pair, in a process of its own: loads it, reads a prompt, switches and writes some tokens.
 *
 *   node peak-memory.mjs '{"prefill": ..., "decode": ..., "threads": ..., "contextSize": ..., "promptTokens": ..., "handover": ...}'
 */
import { readFileSync } from "node:fs";
import { loadPair } from "../../dist/index.js";

/** Bytes. Linux keeps the mark per program; elsewhere it may include the parent's at the fork. */
function peakBytes() {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line?.[1]) * 1024;
}

const { prefill, decode, threads, contextSize, promptTokens, handover } = JSON.parse(process.argv[2]);
const importedBytes = process.memoryUsage.rss();
const pair = await loadPair({
  prefill: { model: prefill },
  ...(decode === undefined ? {} : { decode: { model: decode } }),
  threads,
  contextSize,
  handover,
  gpu: false,
});
const loadedBytes = peakBytes();
const session = await pair.createSession();
await session.generate(
  Array.from({ length: promptTokens }, (_, i) => 300 + i),
  { maxTokens: 8, temperature: 0, ignoreEos: true },
);
console.log(JSON.stringify({ peakBytes: peakBytes(), importedBytes, loadedBytes, kvBytes: pair.info.kvBytes }));
await pair.dispose();
