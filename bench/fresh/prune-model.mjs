/**
 * One pruning in a process of its own, and the memory that it took.
 *
 *   node prune-model.mjs '{"model": ..., "out": ..., "type": ..., "threads": ..., "text": ... or "importance": ..., "saveImportance": ...}'
 */
import { readFileSync } from "node:fs";
import { prune } from "../../dist/index.js";

const { type, ...files } = JSON.parse(process.argv[2]);

/** Bytes that are not backed by a file. The model is mapped, so its weights are not among them. Linux only. */
function anonymousBytes() {
  if (process.platform !== "linux") return 0;
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, anonymousBytes());
}, 20);
const result = await prune({
  ...files,
  hidden: 0.45,
  ffn: 0.45,
  quantize: type,
  measure: false,
  window: 256,
  gpu: false,
  mmap: true,
});
clearInterval(watch);
console.log(
  JSON.stringify({
    anonymousBytes: peak,
    calibrateMs: result.calibrateMs,
    writeMs: result.writeMs,
    fileBytes: result.after.sizeBytes,
    tokens: result.calibration?.tokens ?? 0,
  }),
);
