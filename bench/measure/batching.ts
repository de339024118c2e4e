/**
 * Several sessions that write at the same time against one that writes alone: total tokens a second of one model at q8_0.
 * Weights are read once for a batch, whatever its size.
 */

import { startProcess } from "../child-process.js";
import { waitForQuiet } from "../disturbance.js";
import { type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { BatchRequest, BatchTiming } from "./batch-process.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";

export async function measureBatch(bench: Bench): Promise<Row[]> {
  const { shapes, sessions, rounds, race } = bench.size;
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  bench.log(`batch: up to ${sessions.at(-1)} sessions`);
  const remote = startProcess<BatchRequest, BatchTiming[]>(new URL("./batch-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const timings = await remote.ask({
      prefill: prefill.path,
      decode: decode.path,
      threads: bench.threads,
      sessions,
      rounds,
      decodeTokens: race.decode,
      prompt: madeUpTokens(16, shapes.prefill.nVocab),
    });
    const alone = timings[0]?.tokensPerSecond ?? [];
    return timings.slice(1).map(({ sessions: count, tokensPerSecond }) => toRow(count, tokensPerSecond, alone));
  } finally {
    await remote.close();
  }
}

function toRow(sessions: number, together: readonly number[], alone: readonly number[]): Row {
  const rounds = pairwise(together, alone);
  return row({
    section: "batch",
    name: `decode: ${sessions} sessions at once vs one, all tokens`,
    value: median(rounds),
    unit: "ratio",
    detail: `${median(together).toFixed(1)} vs ${median(alone).toFixed(1)} tokens/s`,
    rounds,
  });
}
