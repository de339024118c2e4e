/** Loads, uses and disposes the demo pair many times; prints the resident memory on the way, in bytes. */
import { demoPair, demoPrompt, loadPair } from "../../dist/index.js";

const [cycles, every] = process.argv.slice(2).map(Number);
const rss = [];
for (let cycle = 1; cycle <= cycles; cycle++) {
  const pair = await loadPair({ ...demoPair, threads: 1, gpu: false });
  const session = await pair.createSession();
  await session.generate(demoPrompt, { temperature: 0 });
  // An answer left early, an aborted prefill and a refused file must not leave anything behind either.
  await session.prefill("\n Tell about Rosnek :");
  await session.switch();
  for await (const _ of session.decode({ ignoreEos: true })) break;
  await session.prefill(demoPrompt, { signal: AbortSignal.abort() }).catch(() => {});
  await loadPair({ prefill: { model: import.meta.filename } }).catch(() => {});
  if (cycle % 2) await session.dispose();
  await pair.dispose();
  if (cycle % every === 0) {
    globalThis.gc();
    rss.push(process.memoryUsage.rss());
  }
}
process.stdout.write(JSON.stringify(rss));
