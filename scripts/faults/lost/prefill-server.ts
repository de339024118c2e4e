/** A server that reads (`/v1/prefill`), a writer elsewhere, and HTTP between them: each in a process of its own. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeTinyModel } from "../../../test/support/tiny-model.js";
import { ControlledProcess, ProcessEnded } from "./controlled-process.js";
import type { Held } from "./held.js";
import type { LostAnswer } from "./messages.js";
import { type Harm, type Outcome, patience, type Scene } from "./scene.js";
import { Wire } from "./wire.js";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const wide = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 1024 };

function heldOf(answer: LostAnswer): Held {
  if (answer.kind !== "held") throw new Error(`expected what it holds, and it told ${answer.kind}`);
  return answer.held;
}

export async function openPrefillServer(folder: string): Promise<Scene> {
  const { path: prefill } = await writeTinyModel(join(folder, "prefill.gguf"), wide);
  const { path: decode } = await writeTinyModel(join(folder, "decode.gguf"), { ...wide, nEmbd: 64, seed: 2 });
  const reader = new ControlledProcess(here("./reader-child.ts"), [prefill, decode]);
  const ready = await reader.start("0");
  if (ready.kind !== "ready") throw new Error("the server did not begin");
  const wire = await Wire.to(ready.port);
  const writer = new ControlledProcess(here("./writer-child.ts"), [decode, `http://127.0.0.1:${wire.port}`]);
  await writer.start();
  let seed = 0;

  const killed = (name: string, who: ControlledProcess, ...args: string[]): Harm => ({
    name,
    begin() {
      const ended = who.kill();
      return async () => {
        await ended;
        await who.start(...args);
      };
    },
  });
  const paused = (name: string, who: ControlledProcess, forMs?: number): Harm => ({
    name,
    begin() {
      who.signal("SIGSTOP");
      const timer = forMs === undefined ? undefined : setTimeout(() => who.signal("SIGCONT"), forMs);
      return () => {
        clearTimeout(timer);
        who.signal("SIGCONT");
      };
    },
  });

  return {
    harms: [
      ...wire.harms,
      paused("server paused", reader),
      // Who asks is to go on by itself: longer than it would wait for the server, and than the server waits for it.
      paused("client paused", writer, 2 * patience.stallTimeoutMs),
      killed("server killed", reader, String(ready.port)),
      killed("client killed", writer),
    ],
    async ask() {
      const mine = seed++;
      const told = await writer.ask({ what: "write", seed: mine }).catch((error: unknown) => {
        if (error instanceof ProcessEnded) return undefined;
        throw error;
      });
      return async (): Promise<Outcome> => {
        if (told === undefined) return { kind: "gone" };
        if (told.kind === "refused") return { kind: "refused", code: told.code };
        if (told.kind !== "answer") return { kind: "wrong", error: "error" in told ? told.error : told.kind };
        const right = await reader.ask({ what: "read", seed: mine });
        if (right.kind === "answer" && right.tokens === told.tokens) return { kind: "right" };
        return { kind: "wrong", error: `${told.tokens} in place of ${JSON.stringify(right)}` };
      };
    },
    held: async () => [heldOf(await reader.ask({ what: "held" })), heldOf(await writer.ask({ what: "held" }))],
    async close() {
      await writer.kill();
      await reader.kill();
      await wire.close();
    },
  };
}
