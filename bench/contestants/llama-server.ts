/** llama.cpp's own server with one model, as a process of its own. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { NativeProgram } from "./contestant.js";

export interface LlamaServerSettings {
  readonly model: string;
  readonly threads: number;
  /** Tokens of each of the sessions. */
  readonly contextSize: number;
  readonly maxSessions: number;
}

export interface LlamaServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

const patienceMs = 120_000;
const lookMs = 50;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a listening server has a port");
  return address.port;
}

/** Rejects if it ends, or does not answer in time. */
export async function openLlamaServer(
  { program, libraries }: NativeProgram,
  { model, threads, contextSize, maxSessions }: LlamaServerSettings,
): Promise<LlamaServer> {
  const port = await freePort();
  const flags = {
    ...{ "--model": model, "--host": "127.0.0.1", "--port": port, "--threads": threads, "--parallel": maxSessions },
    "--ctx-size": contextSize * maxSessions,
  };
  // It looks for its back ends where it runs.
  const child = spawn(program, Object.entries(flags).flat().map(String), {
    cwd: libraries,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const url = `http://127.0.0.1:${port}`;
  const dispose = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill();
    await exit;
  };
  for (const begin = performance.now(); ; await sleep(lookMs)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`llama-server ended:\n${said}`);
    // It listens before it has loaded its model, and says 503 then; before that it cannot be reached.
    const status = await fetch(`${url}/health`).then(
      (response) => response.status,
      () => undefined,
    );
    if (status === 200) break;
    if (performance.now() - begin > patienceMs) {
      await dispose();
      throw new Error(`llama-server does not answer:\n${said}`);
    }
  }
  return { url, pid: child.pid ?? 0, [Symbol.asyncDispose]: dispose };
}
