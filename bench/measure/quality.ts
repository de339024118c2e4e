/**
 * Answers that the prefill model checks, against the prefill model alone and against llama.cpp's own way of speculative
 * decoding, in turn. Models of random weights agree on nothing, so a drafted token stays with a given probability, the
 * same ones with both. What is possible is reckoned from costs that are measured in the same run.
 */

import { startProcess } from "../child-process.js";
import { type SpeculativeLoop, startSpeculativeLoop } from "../contestants/speculative-loop.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atLeast, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import type { QualityAnswer, QualityRequest } from "./quality-process.js";
import { madeUpTokens } from "./race.js";

const reads = [1, 2, 3, 4, 5, 6, 8, 12, 16];
/** The same tokens stay in every round: how many of so few do would be a matter of luck. */
const seed = 1;

/** One value a round, in milliseconds; of answers, for each token. */
interface Timing {
  readonly alone: number[];
  readonly fast: number[];
  /** Of a read of so many tokens, by `reads`. */
  readonly readMs: number[][];
  readonly drafts: DraftTiming[];
}

/** Of one acceptance. */
interface DraftTiming {
  readonly acceptance: number;
  readonly ours: number[];
  readonly theirs: number[];
  /** What ours drafted and checked in the last round. */
  did: QualityAnswer;
  /** The length of drafts with which llama.cpp's loop is fastest. */
  draftLength: number;
}

export async function measureQuality(bench: Bench): Promise<Row[]> {
  const { shapes, quality } = bench.size;
  const { threads, log } = bench;
  log(`quality: answers of ${quality.decode} tokens`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const contextSize = quality.prompt + quality.decode + 32;
  const settings = { prefill: prefill.path, decode: decode.path, threads, contextSize };
  const prompt = madeUpTokens(quality.prompt, shapes.prefill.nVocab);
  const pair = startProcess<QualityRequest, QualityAnswer>(new URL("./quality-process.ts", import.meta.url));
  let loop: SpeculativeLoop | undefined;
  try {
    loop = await startSpeculativeLoop(bench.speculativeLoop, settings);
    await pair.ask({ verb: "open", settings: { ...settings, prompt } });
    await loop.prompt(prompt);
    const timing = await takeTurns({ pair, loop, bench });
    return toRows(timing, loop.secondCacheBytes);
  } finally {
    await Promise.all([pair.close(), loop?.close()]);
  }
}

async function takeTurns({
  pair,
  loop,
  bench: { size, log },
}: {
  readonly pair: ReturnType<typeof startProcess<QualityRequest, QualityAnswer>>;
  readonly loop: SpeculativeLoop;
  readonly bench: Bench;
}): Promise<Timing> {
  const { decode: tokens, acceptances, draftLengths } = size.quality;
  const pids = [pair.pid, loop.pid];
  const ask = (request: QualityRequest) => undisturbed(pids, () => pair.ask(request));
  const write = (writer: "prefill" | "decode", acceptance?: number) =>
    ask({ verb: "write", writer, tokens, seed, ...(acceptance === undefined ? {} : { acceptance }) });
  const theirs = async (acceptance: number, draftLength: number) => {
    const answer = { tokens: tokens - 1, draftLength, acceptance, seed };
    return (await undisturbed(pids, () => loop.decode(answer))).ms / (tokens - 1);
  };

  const did = { ms: 0, draftedTokens: 0, checks: 0 };
  const timing: Timing = {
    alone: [],
    fast: [],
    readMs: reads.map(() => []),
    drafts: acceptances.map((acceptance) => ({ acceptance, ours: [], theirs: [], did, draftLength: 0 })),
  };
  await waitForQuiet(pids);
  for (const drafts of timing.drafts) {
    drafts.draftLength = await bestLength(draftLengths, (length) => theirs(drafts.acceptance, length));
    log(`quality: llama.cpp's loop drafts ${drafts.draftLength} where ${drafts.acceptance * 100}% are kept`);
  }
  // The first round is for graphs that are made, and for costs that are not known yet.
  for (let round = -1; round < size.rounds; round++) {
    log(round < 0 ? "quality: a round that does not count" : `quality: round ${round + 1} of ${size.rounds}`);
    const keep = (list: number[], ms: number) => round >= 0 && list.push(ms);
    keep(timing.alone, (await write("prefill")).ms);
    keep(timing.fast, (await write("decode")).ms);
    for (const drafts of timing.drafts) {
      const turns = [
        async () => {
          drafts.did = await write("decode", drafts.acceptance);
          keep(drafts.ours, drafts.did.ms);
        },
        async () => keep(drafts.theirs, await theirs(drafts.acceptance, drafts.draftLength)),
      ];
      // Now the one first, now the other: a drift of the machine's speed then favours nobody.
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
    }
    for (const [i, n] of reads.entries()) keep(timing.readMs[i] ?? [], (await ask({ verb: "read", tokens: n })).ms);
  }
  return timing;
}

/** The length that takes least, tried in ascending order until it has become clear that longer ones take more. */
async function bestLength(lengths: readonly number[], timeOf: (length: number) => Promise<number>): Promise<number> {
  await timeOf(lengths[0] ?? 1);
  let best = { length: lengths[0] ?? 1, ms: Number.POSITIVE_INFINITY };
  for (const length of lengths) {
    const ms = await timeOf(length);
    if (ms < best.ms) best = { length, ms };
    if (ms > best.ms * 1.25) break;
  }
  return best.length;
}

function toRows({ alone, fast, readMs, drafts }: Timing, secondCacheBytes: number): Row[] {
  const section = "quality";
  const one = median(alone);
  const costs = readMs.map((ms) => median(ms) / median(readMs[0] ?? []));
  const words = reads.map((n, i) => `${n}: ${(costs[i] ?? 0).toFixed(2)}`).join(", ");
  const rows = [
    row({
      section,
      name: "a read of 16 tokens of one session vs one of a single token",
      value: costs.at(-1) ?? 0,
      unit: "ratio",
      detail: `tokens: cost; ${words}`,
    }),
  ];
  for (const { acceptance, ours, theirs, did, draftLength } of drafts) {
    const name = `exact, ${acceptance * 100}% of drafts kept`;
    const rounds = pairwise(alone, ours);
    const possible = bestSpeedUp(acceptance, median(fast) / one, costs);
    const againstTheirs = pairwise(theirs, ours);
    rows.push(
      row({
        section,
        name: `${name}, vs the prefill model alone`,
        value: median(rounds),
        unit: "ratio",
        target: atLeast(0.95),
        detail: `${did.draftedTokens} tokens drafted for ${did.checks} checks`,
        rounds,
      }),
      row({
        section,
        name: `${name}, vs what the measured costs allow`,
        value: median(rounds) / possible,
        unit: "ratio",
        target: atLeast(0.95),
        detail: `${median(rounds).toFixed(2)} of ${possible.toFixed(2)} times the prefill model alone`,
        rounds: rounds.map((ratio) => ratio / possible),
      }),
      row({
        section,
        name: `${name}, vs llama.cpp's own speculative loop`,
        value: median(againstTheirs),
        unit: "ratio",
        target: atLeast(0.98),
        detail: `${perSecond(ours)} vs ${perSecond(theirs)} tokens/s; its best drafts have ${draftLength}, its second cache takes ${(secondCacheBytes / 1e6).toFixed(1)} MB`,
        rounds: againstTheirs,
      }),
    );
  }
  return rows;
}

const perSecond = (ms: readonly number[]): string => (1000 / median(ms)).toFixed(1);

/** Times the prefill model alone, with drafts of the best length: Leviathan et al., arXiv 2211.17192, section 3. */
function bestSpeedUp(acceptance: number, draftCost: number, costs: readonly number[]): number {
  let best = 1;
  for (const [i, n] of reads.entries()) {
    const k = n - 1;
    const tokens = Array.from({ length: n }, (_, j) => acceptance ** j).reduce((sum, p) => sum + p, 0);
    if (k > 0) best = Math.max(best, tokens / (k * draftCost + (costs[i] ?? Number.POSITIVE_INFINITY)));
  }
  return best;
}
