/** Servers of this machine's devices, servers that only look like one, and pairs on them. */

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { Backend, type BackendSettings } from "../../lib/cli/rpc-server/backend.js";
import { Front, type FrontEvent, type FrontOptions } from "../../lib/cli/rpc-server/front.js";
import { type Key, writeKey } from "../../lib/remote/key.js";
import { withTempDir } from "../support/temp-dir.js";

type Teardown = Pick<ExecutionContext, "teardown">;

/** A server with its listener in this process, which so can be watched and stopped. */
export interface LentDevices {
  readonly url: string;
  readonly port: number;
  readonly backend: Backend;
  readonly front: Front;
  readonly events: readonly FrontEvent[];
  /** Ends the process that serves, as a crash does; another one is started. */
  crash(): void;
  close(): Promise<void>;
}

/** Lends the CPU, with one thread. All of it goes with the test. */
export async function lend(
  t: Teardown,
  {
    key,
    cacheDirectory = "",
    greetingMs = 60_000,
    settings = {},
    ...options
  }: Partial<Pick<FrontOptions, "key" | "greetingMs" | "port" | "waitMs">> & {
    readonly cacheDirectory?: string;
    readonly settings?: BackendSettings;
  } = {},
): Promise<LentDevices> {
  const backend = new Backend({ gpu: false, threads: 1, cacheDirectory }, () => {}, settings);
  t.teardown(() => backend.close());
  await backend.port;
  const events: FrontEvent[] = [];
  const front = await Front.listen({
    host: "127.0.0.1",
    port: 0,
    ...options,
    greetingMs,
    key,
    backend: () => backend.port,
    onEvent: (event) => events.push(event),
  });
  let closing: Promise<void> | undefined;
  const close = async () => {
    closing ??= front.close();
    await closing;
    await backend.close();
  };
  t.teardown(close);
  return {
    url: `${key ? "rpcs" : "rpc"}://127.0.0.1:${front.port}`,
    port: front.port,
    backend,
    front,
    events,
    crash: () => process.kill(backend.pid ?? 0, "SIGKILL"),
    close,
  };
}

/** A new key with its file. */
export function newKey(t: Teardown): { readonly key: Key; readonly file: string } {
  const file = join(withTempDir(t), "test.key");
  return { key: writeKey(file), file };
}

/** Something that listens, and does with a connection what it likes. */
export async function fakeServer(t: Teardown, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** The answer to HELLO of a server of this version. */
export function greeting(major: number, minor: number, patch: number): Buffer {
  const answer = Buffer.alloc(36);
  answer.writeBigUInt64LE(28n);
  answer.set([major, minor, patch], 8);
  return answer;
}

/** A port that nobody listens on. */
export async function deadPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
