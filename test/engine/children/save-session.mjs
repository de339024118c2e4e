// Saves a session again and again, longer each time, and says so after each. Arguments: the models, the file, how often.
import { loadPair, OverfillError } from "../../../dist/index.js";

const [prefill, decode, file, times] = process.argv.slice(2);
const pair = await loadPair({
  prefill: { model: prefill },
  decode: { model: decode },
  contextSize: 2048,
  threads: 1,
  gpu: false,
});
const session = await pair.createSession();
try {
  for (let i = 0; i < Number(times); i++) {
    await session.prefill(Array.from({ length: 100 }, (_, at) => 40 + ((at * 7 + i) % 160)));
    await session.save(file);
    process.stdout.write(`saved ${session.stats().contextTokens}\n`);
  }
} catch (error) {
  if (!OverfillError.isInstance(error)) throw error;
  process.stdout.write(`${error.code}\n`);
  // Nothing is lost: the session goes on.
  await session.switch();
  let text = "";
  for await (const chunk of session.decode({ maxTokens: 5 })) text += chunk.tokens.length;
  process.stdout.write(`went on ${text.length > 0}\n`);
}
await pair.dispose();
