/** What onLog delivers for a broken model file. Takes `{ model, level, stopFirst }`, as JSON, on stdin; prints JSON. */

import { text } from "node:stream/consumers";
import { inspect, loadPair, onLog } from "../../../dist/index.js";

const { model, broken } = JSON.parse(await text(process.stdin));
const lines = { warn: [], debug: [], stopped: [] };
const stop = onLog((line) => lines.stopped.push(line), { level: "debug" });
stop();
stop();
onLog((line) => lines.warn.push(line));
let told;
const heard = new Promise((resolve) => { told = resolve; }); // biome-ignore format: one line
onLog((line) => { lines.debug.push(line); told(); }, { level: "debug" }); // biome-ignore format: one line
const pair = await loadPair({ prefill: { model }, threads: 1, gpu: false });
await heard;
await pair.dispose();
const code = await inspect({ prefill: { model: broken } }).then(() => "none", (error) => error.code); // biome-ignore format: one line
console.log(JSON.stringify({ ...lines, code }));
