// An app with a host: tells its number when the host is at work, and then waits to be ended.

import { hostOf, loadPairInHost } from "../../../dist/host/index.js";
import { demoPair, demoPrompt } from "../../../dist/index.js";

const pair = await loadPairInHost({ ...demoPair, gpu: false, threads: 1 });
const [how] = process.argv.slice(2);
const session = await pair.createSession();
await session.prefill(demoPrompt);
await session.switch();
const { pid } = hostOf(pair);
if (how === "idle") {
  console.log(pid);
  setInterval(() => {}, 1000);
} else if (how === "end") {
  // Nothing is asked for any more: an open pair does not keep its app alive.
  console.log(pid);
} else {
  const reader = session.decode({ maxTokens: 100_000, ignoreEos: true })[Symbol.asyncIterator]();
  await reader.next();
  console.log(pid);
  for (let last = await reader.next(); !last.done; ) last = await reader.next();
}
