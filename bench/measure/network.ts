/**
 * A prefill model on the other side of a network (bench/shaped-link.ts), by both ways there are (docs/remote.md): a server that
 * reads, and a server that lends its devices. Both sides compute on the same cores, one after the other; what the way costs is
 * what is measured.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Backend } from "../../lib/cli/rpc-server/backend.js";
import { Front } from "../../lib/cli/rpc-server/front.js";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { type LoadPairOptions, loadPair, type Pair } from "../../lib/index.js";
import { writeKey } from "../../lib/remote/key.js";
import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atMost, type Row, row } from "../row.js";
import { type LinkShape, ShapedLink } from "../shaped-link.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { showMedian } from "./race.js";
import type { ReaderRequest } from "./reader-process.js";

const links: readonly LinkShape[] = [
  { name: "1 Gbit/s", megabitsPerSecond: 1000, roundTripMs: 0.5, loss: 0 },
  { name: "100 Mbit/s, 5 ms, 0.5% lost", megabitsPerSecond: 100, roundTripMs: 5, loss: 0.005 },
  { name: "100 Mbit/s, 20 ms", megabitsPerSecond: 100, roundTripMs: 20, loss: 0 },
];

/** One prompt, in milliseconds from when it was given. */
interface Timing {
  readonly switchedMs: number;
  readonly firstMs: number;
  /** What came from the other side, and what of it are cells. */
  readonly received: number;
  readonly cellBytes: number;
}

/** A way to a prefill model, open. */
interface Contestant {
  readonly pair: Pair;
  readonly pids: readonly number[];
  readonly link: ShapedLink | undefined;
  close(): Promise<void>;
}

/** What is on the other side, and how a pair gets there by a port. */
interface Other {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly number[];
  open(port: number): Promise<Pair>;
  close(): Promise<void>;
}

async function servedBy(request: ReaderRequest, options: Omit<LoadPairOptions, "prefill">): Promise<Other> {
  const reader = startProcess<ReaderRequest, number>(new URL("./reader-process.ts", import.meta.url));
  return {
    name: "a server that reads",
    port: await reader.ask(request),
    pids: [reader.pid],
    open: (port) => loadPair({ ...options, prefill: { url: `http://127.0.0.1:${port}` } }),
    close: () => reader.close(),
  };
}

async function lentBy(prefill: string, threads: number, options: Omit<LoadPairOptions, "prefill">): Promise<Other> {
  const folder = mkdtempSync(join(tmpdir(), "overfill-bench-"));
  const file = join(folder, "bench.key");
  const key = writeKey(file);
  const backend = new Backend({ gpu: false, threads, cacheDirectory: "" }, () => {});
  await backend.port;
  const front = await Front.listen({ host: "127.0.0.1", port: 0, key, backend: () => backend.port });
  return {
    name: "lent devices",
    port: front.port,
    pids: backend.pid === undefined ? [] : [backend.pid],
    open: (port) =>
      loadPairInHost({
        ...options,
        prefill: { model: prefill, mmap: true, devices: [{ url: `rpcs://127.0.0.1:${port}`, key: file }] },
      }),
    async close() {
      await front.close();
      await backend.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function over(other: Other, shape: LinkShape | undefined): Promise<Contestant> {
  const link = shape && (await ShapedLink.to(other.port));
  const pair = await other.open(link?.port ?? other.port);
  // Weights cross before that: they do so once.
  if (shape) await link?.shape(shape);
  const host = hostOf(pair)?.pid;
  return {
    ...{ pair, link, pids: [...other.pids, ...(host === undefined ? [] : [host])] },
    async close() {
      await pair.dispose();
      await link?.close();
    },
  };
}

/** Another text for each round, from the first token on. */
const promptOf = (round: number, count: number, nVocab: number) =>
  Array.from({ length: count }, (_, i) => 300 + ((i * 7919 + round * 104_729) % (nVocab - 300)));

async function timeOf({ pair, link }: Contestant, prompt: readonly number[]): Promise<Timing> {
  await using session = await pair.createSession();
  const before = link?.traffic.received ?? 0;
  const begun = performance.now();
  await session.prefill(prompt);
  const report = await session.switch();
  const switchedMs = performance.now() - begun;
  let firstMs = 0;
  for await (const _ of session.decode({ temperature: 0, maxTokens: 2, ignoreEos: true }))
    firstMs ||= performance.now() - begun;
  return { switchedMs, firstMs, cellBytes: report.bytes, received: (link?.traffic.received ?? 0) - before };
}

async function timings(bench: Bench, contestant: Contestant, nVocab: number): Promise<readonly Timing[]> {
  const { prompt, rounds } = bench.size.network;
  await waitForQuiet(contestant.pids);
  await timeOf(contestant, promptOf(rounds, prompt, nVocab));
  const all: Timing[] = [];
  for (let round = 0; round < rounds; round++)
    all.push(await undisturbed(contestant.pids, () => timeOf(contestant, promptOf(round, prompt, nVocab))));
  return all;
}

const of = (all: readonly Timing[], what: keyof Timing) => all.map((one) => one[what]);

/** @param near the same without a bound, and `here` with both models on this machine */
function rowsOf(
  name: string,
  shape: LinkShape,
  { far, near, here }: Readonly<Record<"far" | "near" | "here", readonly Timing[]>>,
): Row[] {
  const section = "network";
  const [first, own] = [pairwise(of(far, "firstMs"), of(here, "firstMs")), showMedian(of(here, "firstMs"))];
  const received = median(of(far, "received"));
  const transferMs = (received * 8) / (shape.megabitsPerSecond * 1000) + shape.roundTripMs;
  const seenMs = median(of(far, "firstMs")) - median(of(near, "firstMs"));
  const bytes = pairwise(of(far, "received"), of(far, "cellBytes"));
  return [
    row({
      ...{ section, name: `first token: ${name}, ${shape.name}, vs here`, unit: "ratio", value: median(first) },
      detail: `${showMedian(of(far, "firstMs"))} ms, unbounded ${showMedian(of(near, "firstMs"))}, here ${own}; switched after ${showMedian(of(far, "switchedMs"))}, here ${showMedian(of(here, "switchedMs"))}`,
      rounds: first,
    }),
    row({
      ...{ section, name: `share of the transfer hidden: ${name}, ${shape.name}`, unit: "ratio" },
      value: Math.min(1, 1 - seenMs / transferMs),
      detail: `${transferMs.toFixed(0)} ms of transfer, of which ${seenMs.toFixed(0)} ms were waited for`,
    }),
    row({
      ...{ section, name: `bytes that came vs new cells: ${name}, ${shape.name}`, unit: "ratio", value: median(bytes) },
      target: atMost(1.05),
      detail: `${received} bytes; ${median(of(far, "cellBytes"))} of cells`,
      rounds: bytes,
    }),
  ];
}

export async function measureNetwork(bench: Bench): Promise<Row[]> {
  const { shapes, prompt, batch } = bench.size.network;
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const contextSize = 2 * prompt;
  const options: Omit<LoadPairOptions, "prefill"> = {
    ...{ decode: { model: decode.path, mmap: true }, threads: bench.threads, contextSize, batchSize: batch },
    gpu: false,
    prefixCache: false,
  };
  const { nVocab } = shapes.prefill;
  // Nobody else keeps this process alive while a host works.
  const awake = setInterval(() => {}, 1000);
  const rows: Row[] = [];
  try {
    bench.log(`network: here, ${prompt} tokens in micro-batches of ${batch}`);
    const own = await loadPair({ ...options, prefill: { model: prefill.path, mmap: true } });
    const here = await timings(bench, { pair: own, pids: [], link: undefined, close: () => own.dispose() }, nVocab);
    await own.dispose();
    const request = { ...{ prefill: prefill.path, decode: decode.path, contextSize, batchSize: batch } };
    for (const begin of [
      () => servedBy({ ...request, threads: bench.threads }, options),
      () => lentBy(prefill.path, bench.threads, options),
    ]) {
      const other = await begin();
      let near: readonly Timing[] = [];
      for (const shape of [undefined, ...links]) {
        bench.log(`network: ${other.name}, ${shape?.name ?? "unbounded"}`);
        const contestant = await over(other, shape);
        const far = await timings(bench, contestant, nVocab);
        await contestant.close();
        if (shape) rows.push(...rowsOf(other.name, shape, { far, near, here }));
        else near = far;
      }
      await other.close();
    }
    return rows;
  } finally {
    clearInterval(awake);
  }
}
