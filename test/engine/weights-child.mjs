/** Loads a pair and prints the resident memory that it took, in bytes. */
import { loadPair } from "../../dist/index.js";

const before = process.memoryUsage.rss();
const pair = await loadPair({ ...JSON.parse(process.argv[2]), threads: 1, gpu: false });
process.stdout.write(String(process.memoryUsage.rss() - before));
await pair.dispose();
