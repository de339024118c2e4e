/**
 * What it costs to import a package, or to load the demo pair, in a process that has loaded nothing else.
 *
 *   node import-cost.mjs nothing | overfill | node-llama-cpp | demo-pair
 */
const what = process.argv[2];
const begin = performance.now();
if (what === "overfill") await import("../../dist/index.js");
if (what === "node-llama-cpp") await import("node-llama-cpp");
let pair;
if (what === "demo-pair") {
  const { demoPair, loadPair } = await import("../../dist/index.js");
  pair = await loadPair({ ...demoPair, gpu: false });
}
const ms = performance.now() - begin;
console.log(JSON.stringify({ ms, residentBytes: process.memoryUsage.rss() }));
await pair?.dispose();
