/** A writer that has its prompts read by a server. Takes the decode model's file and the server's address. */

import { loadPair, OverfillError } from "../../../lib/index.js";
import { heldHere } from "./held.js";
import { contextSize, type LostAnswer, type LostRequest, nAnswer, promptOf } from "./messages.js";
import { patience } from "./scene.js";

const [decode = "", url = ""] = process.argv.slice(2);
const tell = (answer: LostAnswer) => void process.send?.(answer);

const pair = await loadPair({
  ...{ prefill: { url }, decode: { model: decode }, threads: 1, gpu: false, prefixCache: false },
  // A server that is started again takes its time, and the load is not what is tried.
  ...{ contextSize, remote: { ...patience, timeoutMs: 30_000 } },
});
const session = await pair.createSession();

async function answer(seed: number): Promise<LostAnswer> {
  try {
    await session.truncate(0);
    const { tokens } = await session.generate(promptOf(seed), { temperature: 0, maxTokens: nAnswer, ignoreEos: true });
    return { kind: "answer", tokens: tokens.join() };
  } catch (error) {
    // What failed has left the session as it was.
    if (session.stats().contextTokens !== 0) return { kind: "no code", error: "something of the prompt is left" };
    if (OverfillError.isInstance(error) && error.code !== "ERR_INTERNAL") return { kind: "refused", code: error.code };
    return { kind: "no code", error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on("message", async ({ what, seed = 0 }: LostRequest) => {
  if (what !== "held") return tell(await answer(seed));
  const { sessions, tasks } = pair.metrics();
  tell({ kind: "held", held: heldHere("client", { sessions, busy: tasks.ready + tasks.waitingForReader }) });
});
process.once("disconnect", () => process.exit());
tell({ kind: "ready", port: 0 });
