/**
 * A prefill model on another machine's devices, with the network left out: the server is on this machine's loopback and
 * computes on the same cores, which then do nothing else. What is left is what the way there costs.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Backend } from "../../lib/cli/rpc-server/backend.js";
import { Front } from "../../lib/cli/rpc-server/front.js";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import type { LoadPairOptions, Pair } from "../../lib/index.js";
import { type Key, writeKey } from "../../lib/remote/key.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, showMedian } from "./race.js";

/** One turn of a conversation. */
interface Turn {
  /** From the prompt to the first token, in milliseconds. */
  readonly firstMs: number;
  readonly switchMs: number;
  readonly cellBytes: number;
}

interface Contestant {
  readonly name: string;
  readonly pair: Pair;
  /** Bytes from and to the server, so far. */
  traffic(): { readonly received: number; readonly sent: number };
  close(): Promise<void>;
}

const newTokens = 32;

/** A prompt, and then a short one that goes on; the first turn's answer is a few tokens. */
async function twoTurns(pair: Pair, prompt: readonly number[]): Promise<readonly [Turn, Turn]> {
  await using session = await pair.createSession();
  const turn = async (tokens: readonly number[]): Promise<Turn> => {
    const start = performance.now();
    await session.prefill(tokens);
    const report = await session.switch();
    let firstMs = 0;
    for await (const _ of session.decode({ temperature: 0, maxTokens: 4, ignoreEos: true }))
      firstMs ||= performance.now() - start;
    return { firstMs, switchMs: report.ms, cellBytes: report.bytes };
  };
  return [await turn(prompt), await turn(prompt.slice(0, newTokens))];
}

async function local(name: string, options: LoadPairOptions): Promise<Contestant> {
  const pair = await loadPairInHost(options);
  return { name, pair, traffic: () => ({ received: 0, sent: 0 }), close: () => pair.dispose() };
}

async function remote(
  name: string,
  options: LoadPairOptions,
  threads: number,
  key?: { readonly file: string; readonly key: Key },
): Promise<Contestant & { readonly backend: Backend }> {
  const backend = new Backend({ gpu: false, threads, cacheDirectory: "" }, () => {});
  await backend.port;
  const front = await Front.listen({ host: "127.0.0.1", port: 0, key: key?.key, backend: () => backend.port });
  const url = `${key ? "rpcs" : "rpc"}://127.0.0.1:${front.port}`;
  const prefill = { ...options.prefill, devices: [key ? { url, key: key.file } : url] };
  const pair = await loadPairInHost({ ...options, prefill });
  return {
    name,
    pair,
    backend,
    traffic: () => ({ received: front.traffic.sentBytes, sent: front.traffic.receivedBytes }),
    close: async () => {
      await pair.dispose();
      await front.close();
      await backend.close();
    },
  };
}

export async function measureRemote(bench: Bench): Promise<Row[]> {
  const { shapes, rounds } = bench.size;
  const nPrompt = bench.size.name === "smoke" ? 64 : 512;
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const options: LoadPairOptions = {
    prefill: { model: prefill.path, mmap: true },
    decode: { model: decode.path, mmap: true },
    threads: bench.threads,
    contextSize: 2 * nPrompt,
    gpu: false,
    prefixCache: false,
    handover: "translate",
  };
  const prompt = madeUpTokens(nPrompt, shapes.prefill.nVocab);
  const folder = mkdtempSync(join(tmpdir(), "overfill-bench-"));
  const file = join(folder, "bench.key");
  const key = { file, key: writeKey(file) };
  // Nobody else keeps this process alive while a host works.
  const awake = setInterval(() => {}, 1000);
  const rows: Row[] = [];
  try {
    const results: { readonly turns: (readonly [Turn, Turn])[]; traffic: { received: number; sent: number }[][] }[] =
      [];
    for (const open of [
      () => local("here", options),
      () => remote("rpc", options, bench.threads),
      () => remote("rpcs", options, bench.threads, key),
    ]) {
      bench.log(`remote: ${["here", "rpc on loopback", "rpcs on loopback"][results.length]}, ${nPrompt} tokens`);
      const contestant = await open();
      const pids = [
        hostOf(contestant.pair)?.pid,
        "backend" in contestant ? (contestant.backend as Backend).pid : undefined,
      ];
      const ours = pids.filter((pid) => pid !== undefined);
      const result: (typeof results)[number] = { turns: [], traffic: [] };
      await waitForQuiet(ours);
      await twoTurns(contestant.pair, prompt.slice(0, 48));
      for (let round = 0; round < rounds; round++) {
        const before = contestant.traffic();
        result.turns.push(await undisturbed(ours, () => twoTurns(contestant.pair, prompt)));
        const after = contestant.traffic();
        result.traffic.push([{ received: after.received - before.received, sent: after.sent - before.sent }]);
      }
      await contestant.close();
      results.push(result);
    }
    const [here, ...there] = results;
    const series = (turns: readonly (readonly [Turn, Turn])[], i: 0 | 1, of: keyof Turn) =>
      turns.map((turn) => turn[i][of]);
    for (const [i, name] of ["rpc", "rpcs"].entries()) {
      const result = there[i];
      if (!here || !result) continue;
      for (const turn of [0, 1] as const) {
        const what = turn === 0 ? `${nPrompt} tokens` : `${newTokens} more`;
        const [first, own] = [series(result.turns, turn, "firstMs"), series(here.turns, turn, "firstMs")];
        const ratios = pairwise(first, own);
        rows.push(
          row({
            ...{
              section: "remote",
              name: `time to the first token: ${name} on loopback vs here, ${what}`,
              unit: "ratio",
            },
            value: median(ratios),
            detail: `${showMedian(first)} and ${showMedian(own)} ms`,
            rounds: ratios,
          }),
        );
        const [away, near] = [series(result.turns, turn, "switchMs"), series(here.turns, turn, "switchMs")];
        rows.push(
          row({
            ...{ section: "remote", name: `switch: ${name} on loopback, ${what}`, unit: "ms" },
            value: median(away),
            detail: `${median(series(result.turns, turn, "cellBytes"))} bytes of cells; here ${showMedian(near)} ms`,
            rounds: away,
          }),
        );
      }
      const cells = result.turns.map(([a, b]) => a.cellBytes + b.cellBytes);
      const received = result.traffic.map(([one]) => one?.received ?? 0);
      const bytes = pairwise(received, cells);
      rows.push(
        row({
          ...{ section: "remote", name: `bytes from the server vs new cells, ${name}, both turns`, unit: "ratio" },
          value: median(bytes),
          target: atMost(1.05),
          detail: `${median(received)} and ${median(cells)} bytes; to the server ${median(result.traffic.map(([one]) => one?.sent ?? 0))}`,
          rounds: bytes,
        }),
      );
    }
    return rows;
  } finally {
    clearInterval(awake);
    rmSync(folder, { recursive: true, force: true });
  }
}
