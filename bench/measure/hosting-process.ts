/** The process of {@link measureHosting}: the demo pair's answers from this process and from a host, in turn. */

import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair, type Pair } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface HostingRequest {
  readonly threads: number;
  /** 0: loads the pairs, and tells the host's process. */
  readonly rounds: number;
  /** In each round, of each pair. */
  readonly answers: number;
}

/** By round. */
export interface HostingTiming {
  /** Tokens per second of all answers of a round, and milliseconds to the first token of an answer. */
  readonly here: { readonly rate: number[]; readonly first: number[] };
  readonly host: { readonly rate: number[]; readonly first: number[] };
  /** Of a chunk that came from the host: processor time of this process, in microseconds. */
  readonly chunkMicroseconds: number[];
  readonly hostPid: number;
}

/** What fits behind the demo prompt. */
const tokens = 400;

let loaded: { readonly here: Pair; readonly host: Pair } | undefined;

/** They stay until the process ends. */
async function load(threads: number) {
  const options = { ...demoPair, threads, gpu: false, prefixCache: false } as const;
  return { here: await loadPair(options), host: await loadPairInHost(options) };
}

serve<HostingRequest, HostingTiming>(async ({ threads, rounds, answers }) => {
  loaded ??= await load(threads);
  const timing: HostingTiming = {
    here: { rate: [], first: [] },
    host: { rate: [], first: [] },
    chunkMicroseconds: [],
    hostPid: hostOf(loaded.host)?.pid ?? 0,
  };
  if (rounds === 0) return timing;
  // The first round is for graphs that are made.
  for (let round = -1; round < rounds; round++)
    for (const name of ["here", "host"] as const) {
      const { rate, first, microseconds } = await measure(loaded[name], answers);
      if (round < 0) continue;
      timing[name].rate.push(rate);
      timing[name].first.push(first);
      if (name === "host") timing.chunkMicroseconds.push(microseconds);
    }
  return timing;
});

async function measure(pair: Pair, answers: number): Promise<{ rate: number; first: number; microseconds: number }> {
  let writingMs = 0;
  let firstMs = 0;
  let chunks = 0;
  let written = 0;
  let processor = 0;
  for (let i = 0; i < answers; i++) {
    await using session = await pair.createSession();
    const begin = performance.now();
    await session.prefill(demoPrompt);
    await session.switch();
    let first = 0;
    const before = process.cpuUsage();
    for await (const chunk of session.decode({ maxTokens: tokens, temperature: 0, ignoreEos: true })) {
      if (first === 0) first = performance.now();
      chunks++;
      written += chunk.tokens.length;
    }
    const { user, system } = process.cpuUsage(before);
    processor += user + system;
    firstMs += first - begin;
    writingMs += performance.now() - first;
  }
  return { rate: (1000 * written) / writingMs, first: firstMs / answers, microseconds: processor / chunks };
}
