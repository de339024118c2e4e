// Answers { messages } with the text of the answer as it is written. Who goes away stops it.
import { loadPair, OverfillError } from "overfill";
import { models, options } from "../../../models.mjs";

// One pair for all requests, which also survives that this file is loaded again while it is edited.
const getPair = () => {
  globalThis.overfillPair ??= loadPair({ ...models, maxSessions: 4 });
  return globalThis.overfillPair;
};

export const runtime = "nodejs";

export async function POST(request) {
  const { messages } = await request.json();
  const history = messages.slice(0, -1).map(({ role, content }) => ({ role, content: String(content) }));
  const pair = await getPair();
  const chat = pair.chat({ ...options, history, overflow: "drop-oldest" });
  const stream = chat.send(String(messages.at(-1).content), { maxTokens: 512, signal: request.signal });
  const parts = stream[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    async pull(controller) {
      try {
        for (let next = await parts.next(); !next.done; next = await parts.next())
          if (next.value.type === "text") return controller.enqueue(encoder.encode(next.value.text));
        controller.close();
      } catch (error) {
        if (error.name === "AbortError") controller.close();
        else controller.error(OverfillError.isInstance(error) ? new Error(error.code) : error);
      }
      await chat.dispose();
    },
    async cancel() {
      stream.abort();
      await chat.dispose();
    },
  });
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
}
