/** The server of the load test, in a process of its own, so that what is told of it is the server's alone. */

import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadPair, type Pair } from "../../../lib/index.js";
import { type RunningServer, serve } from "../../../lib/server/index.js";

export type ServerRequest =
  | { readonly kind: "start"; readonly model: string; readonly maxSessions: number }
  /** What was measured of the event loop so far is forgotten. */
  | { readonly kind: "reset" }
  | { readonly kind: "look" };

export interface ServerState {
  readonly port: number;
  readonly rssBytes: number;
  /** Open files and sockets; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
  /** What keeps the event loop alive: sockets, timers. */
  readonly resources: number;
  /** Requests that are being answered, sessions that are at work, and calls that wait for one. */
  readonly running: number;
  readonly busy: number;
  readonly waiting: number;
  /** Milliseconds by which the event loop was late. */
  readonly late: { readonly p50: number; readonly p99: number; readonly most: number };
}

const samplingMs = 5;
const delays = monitorEventLoopDelay({ resolution: samplingMs });

let opened: { readonly pair: Pair; readonly server: RunningServer } | undefined;

async function start(model: string, maxSessions: number): Promise<NonNullable<typeof opened>> {
  const pair = await loadPair({ prefill: { model }, contextSize: 1024, maxSessions, threads: 1, gpu: false });
  const server = await serve({
    models: { small: { pair, defaults: { temperature: 0 } } },
    port: 0,
    limits: { bodyBytes: 65_536, bodyMs: 5000, slowReaderMs: 5000, maxWaiting: 4096 },
  });
  delays.enable();
  return { pair, server };
}

/** A sample is the time from one timer to the next: what is beyond their distance, the loop was late. */
const lateMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - samplingMs);

async function look({ pair, server }: NonNullable<typeof opened>): Promise<ServerState> {
  const { handler, port } = server;
  const slots = (await (await handler(new Request(`http://localhost:${port}/slots`))).json()) as readonly {
    readonly is_processing: boolean;
  }[];
  return {
    port,
    rssBytes: process.memoryUsage.rss(),
    descriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : undefined,
    resources: process.getActiveResourcesInfo().length,
    running: handler.running,
    busy: slots.filter((slot) => slot.is_processing).length,
    waiting: pair.metrics().waiting,
    late: { p50: lateMs(delays.percentile(50)), p99: lateMs(delays.percentile(99)), most: lateMs(delays.max) },
  };
}

process.on("message", async (request: ServerRequest) => {
  try {
    if (request.kind === "start") opened = await start(request.model, request.maxSessions);
    if (request.kind === "reset") delays.reset();
    if (!opened) throw new Error("the server was not started");
    process.send?.({ state: await look(opened) });
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
