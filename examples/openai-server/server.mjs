// A pair behind OpenAI's API: node server.mjs full.gguf small.gguf
import { loadPair } from "overfill";
import { serve } from "overfill/server";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode }, maxSessions: 4 });
const server = await serve({ models: { local: pair }, port: Number(process.env.PORT ?? 8080) });
console.log(`${server.url}/v1`);

process.once("SIGINT", async () => {
  await server.close();
  await pair.dispose();
});
