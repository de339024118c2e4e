/**
 * Several sessions that write at the same time, of one pair at q8_0: against a loop over llama.h that computes batches of the
 * same size with the decode model, and against one session that writes alone. Weights are read once for a batch, whatever its
 * size. Beside it, what that asks of Node's event loop and of the memory, and whether a long prompt holds answers up.
 */

import { startProcess } from "../child-process.js";
import { startNativeLoop } from "../contestants/contestant.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import type { ModelFile } from "../models.js";
import { atLeast, lessThan, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { BatchAnswer, BatchRequest } from "./batch-process.js";
import { measureInterference } from "./interference.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, showMedian } from "./race.js";

const contextSize = 256;
const promptTokens = 16;

/** Of one number of sessions, one value a round. */
interface Timing {
  readonly sessions: number;
  /** Tokens a second of all sessions together. */
  readonly pair: number[];
  readonly loop: number[];
  readonly loopDelayMs: number[];
}

export async function measureBatch(bench: Bench): Promise<Row[]> {
  const { shapes } = bench.size;
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  return [...(await measureBatching(bench, prefill, decode)), await measureInterference(bench, prefill, decode)];
}

async function measureBatching(bench: Bench, prefill: ModelFile, decode: ModelFile): Promise<Row[]> {
  const { shapes, sessions, rounds, race } = bench.size;
  const { threads } = bench;
  const maxSessions = Math.max(...sessions);
  const tokens = race.decode;
  const prompt = madeUpTokens(promptTokens, shapes.prefill.nVocab);
  bench.log(`batch: up to ${maxSessions} sessions, and the native loop with batches of the same size`);
  const pair = startProcess<BatchRequest, BatchAnswer>(new URL("./batch-process.ts", import.meta.url));
  const loop = await startNativeLoop(bench.nativeLoop, { model: decode.path, threads, contextSize }, maxSessions);
  const pids = [pair.pid, loop.pid];
  const write = (count: number, nTokens: number) =>
    pair.ask({ verb: "write", sessions: count, prompt, tokens: nTokens });
  const runLoop = (count: number, nTokens: number) => loop.ask(`together ${count} ${nTokens} ${prompt.join(" ")}`);
  try {
    const settings = { prefill: prefill.path, decode: decode.path, threads, contextSize, maxSessions };
    let last = await pair.ask({ verb: "open", settings });
    await waitForQuiet(pids);
    await write(1, Math.min(tokens, 4));
    await runLoop(1, Math.min(tokens, 4));
    const timings = sessions.map((count): Timing => ({ sessions: count, pair: [], loop: [], loopDelayMs: [] }));
    for (let round = 0; round < rounds; round++)
      for (const timing of timings) {
        const perSecond = (ms: number) => (timing.sessions * tokens * 1000) / ms;
        const ours = async () => {
          last = await undisturbed(pids, () => write(timing.sessions, tokens));
          timing.pair.push(perSecond(last.ms));
          timing.loopDelayMs.push(last.loopDelayMs);
        };
        const theirs = async () => {
          timing.loop.push(perSecond(await undisturbed(pids, () => runLoop(timing.sessions, tokens))));
        };
        // Now the one first, now the other: a drift of the machine's speed then favours nobody.
        for (const turn of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) await turn();
      }
    return toRows(timings, [prefill, decode], last);
  } finally {
    await Promise.all([pair.close(), loop.close()]);
  }
}

function toRows(timings: readonly Timing[], files: readonly ModelFile[], last: BatchAnswer): Row[] {
  const alone = timings[0];
  const most = timings.at(-1);
  if (!alone || !most) return [];
  return [
    ...timings.map((timing) => againstLoop(timing)),
    ...timings.slice(1).map((timing) => againstOne(timing, alone)),
    row({
      section: "batch",
      name: `event loop: delay while ${most.sessions} answers stream, p99`,
      value: median(most.loopDelayMs),
      unit: "ms",
      target: lessThan(5),
      detail: "looked at every millisecond, which is taken off",
      rounds: most.loopDelayMs,
    }),
    resident(most.sessions, files, last),
  ];
}

const sessionsOf = (count: number): string => (count === 1 ? "1 session" : `${count} sessions`);

function againstLoop({ sessions, pair, loop }: Timing): Row {
  const rounds = pairwise(pair, loop);
  return row({
    section: "batch",
    name: `decode: ${sessionsOf(sessions)} vs native loop with the same batch, all tokens`,
    value: median(rounds),
    unit: "ratio",
    target: atLeast(0.95),
    detail: `${showMedian(pair)} vs ${showMedian(loop)} tokens/s`,
    rounds,
  });
}

function againstOne({ sessions, pair, loop }: Timing, alone: Timing): Row {
  const rounds = pairwise(pair, alone.pair);
  return row({
    section: "batch",
    name: `decode: ${sessionsOf(sessions)} at once vs one, all tokens`,
    value: median(rounds),
    unit: "ratio",
    detail: `native loop: ${median(pairwise(loop, alone.loop)).toFixed(2)}`,
    rounds,
  });
}

function resident(sessions: number, files: readonly ModelFile[], { residentBytes, kvBytes }: BatchAnswer): Row {
  const fileBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return row({
    section: "batch",
    name: `resident memory: after ${sessionsOf(sessions)} of ${contextSize} tokens vs files and KV cache`,
    value: residentBytes / (fileBytes + kvBytes),
    unit: "ratio",
    detail: `${mb(residentBytes)}, of files ${mb(fileBytes)}, KV cache ${mb(kvBytes)}`,
  });
}
