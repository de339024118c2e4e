/** A pair whose prefill model lies on a server's devices (ggml's RPC through the tunnel), in a host: both processes of its own. */

import { join } from "node:path";
import { hostOf, loadPairInHost } from "../../../lib/host/index.js";
import { OverfillError } from "../../../lib/index.js";
import { lend, newKey } from "../../../test/remote/fixtures.js";
import { writeTinyModel } from "../../../test/support/tiny-model.js";
import { heldHere } from "./held.js";
import { type Harm, type Outcome, patience, type Scene } from "./scene.js";
import { Wire } from "./wire.js";

const wide = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 1024 };
const prompt = Array.from({ length: 600 }, (_, i) => 40 + ((i * 37) % 160));

/** With the cause's code, where the pair's process has ended. */
function outcomeOf(error: unknown): Outcome {
  if (!OverfillError.isInstance(error) || error.code === "ERR_INTERNAL")
    return { kind: "wrong", error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  const { code } = (error.cause ?? {}) as { readonly code?: string };
  return { kind: "refused", code: code === undefined ? error.code : `${error.code} (${code})` };
}

export async function openRemoteDevices(folder: string): Promise<Scene> {
  const teardowns: (() => unknown)[] = [];
  const t = { teardown: (work: () => unknown) => void teardowns.push(work) };
  const { key, file } = newKey(t);
  const lent = await lend(t, { key });
  const wire = await Wire.to(lent.port);
  const pair = await loadPairInHost({
    prefill: {
      model: (await writeTinyModel(join(folder, "prefill.gguf"), wide)).path,
      devices: [{ url: `rpcs://127.0.0.1:${wire.port}`, key: file }],
    },
    decode: { model: (await writeTinyModel(join(folder, "decode.gguf"), { ...wide, nEmbd: 64, seed: 2 })).path },
    ...{ threads: 1, gpu: false, contextSize: 1024, batchSize: 64, remote: patience, maxRestarts: 1000 },
  });
  // Nobody else keeps this process alive while a host works.
  const awake = setInterval(() => {}, 1000);
  const answer = async () => {
    await using session = await pair.createSession();
    const { tokens } = await session.generate(prompt, { temperature: 0, maxTokens: 30, ignoreEos: true });
    return tokens.join();
  };
  const right = await answer();

  const killed = (name: string, pid: () => number | undefined): Harm => ({
    name,
    begin() {
      const one = pid();
      if (one !== undefined) process.kill(one, "SIGKILL");
      return () => {};
    },
  });
  const paused = (name: string, pid: () => number | undefined, forMs?: number): Harm => ({
    name,
    begin() {
      const one = pid();
      if (one === undefined) return () => {};
      const goOn = () => {
        try {
          process.kill(one, "SIGCONT");
        } catch {}
      };
      process.kill(one, "SIGSTOP");
      const timer = forMs === undefined ? undefined : setTimeout(goOn, forMs);
      return () => {
        clearTimeout(timer);
        goOn();
      };
    },
  });
  const [server, host] = [() => lent.backend.pid, () => hostOf(pair)?.pid];

  return {
    harms: [
      ...wire.harms,
      paused("server paused", server),
      paused("host paused", host, 2 * patience.stallTimeoutMs),
      killed("server killed", server),
      killed("host killed", host),
    ],
    async ask() {
      const outcome = await answer().then(
        (told): Outcome => (told === right ? { kind: "right" } : { kind: "wrong", error: told }),
        outcomeOf,
      );
      return async () => outcome;
    },
    held: async () => [heldHere("app", { busy: 0, sessions: pair.metrics().sessions })],
    async close() {
      clearInterval(awake);
      await pair.dispose();
      for (const work of teardowns.reverse()) await work();
      await wire.close();
    },
  };
}
