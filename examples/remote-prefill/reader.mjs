// The machine that reads: node reader.mjs full.gguf small.gguf
// Its server reads prompts for others, and answers the rest of OpenAI's API as well.
import { loadPair } from "overfill";
import { serve } from "overfill/server";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode }, maxSessions: 4 });
const server = await serve({ models: { reader: pair }, port: Number(process.env.PORT ?? 8080) });
console.log(server.url);

process.once("SIGINT", async () => {
  await server.close();
  await pair.dispose();
});
