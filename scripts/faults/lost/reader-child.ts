/** A server that reads for writers elsewhere (`/v1/prefill`). Takes the models' files and a port, 0 for a free one. */

import { loadPair } from "../../../lib/index.js";
import { serve } from "../../../lib/server/index.js";
import { heldHere } from "./held.js";
import { batchSize, contextSize, type LostAnswer, type LostRequest, nAnswer, promptOf } from "./messages.js";

const [prefill = "", decode = "", port = "0"] = process.argv.slice(2);
const tell = (answer: LostAnswer) => void process.send?.(answer);

const pair = await loadPair({
  ...{ prefill: { model: prefill }, decode: { model: decode }, threads: 1, gpu: false, prefixCache: false },
  ...{ contextSize, batchSize, maxSessions: 3 },
});
// Before the pool takes the places.
const session = await pair.createSession();
const server = await serve({ models: { big: pair }, port: Number(port), limits: { slowReaderMs: 300 } });

process.on("message", async ({ what, seed = 0 }: LostRequest) => {
  if (what === "held") {
    const busy = server.handler.running + pair.metrics().tasks.ready;
    // Of sessions, it opens as many as it has places for, and one that did not come back would be missed by the next question.
    return tell({ kind: "held", held: heldHere("server", { busy, sessions: 0 }) });
  }
  await session.truncate(0);
  const { tokens } = await session.generate(promptOf(seed), { temperature: 0, maxTokens: nAnswer, ignoreEos: true });
  tell({ kind: "answer", tokens: tokens.join() });
});
process.once("disconnect", () => process.exit());
tell({ kind: "ready", port: server.port });
