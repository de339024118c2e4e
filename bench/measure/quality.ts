/**
 * Answers that the prefill model checks, against the prefill model alone. Models of random weights agree on nothing, so a
 * drafted token stays with a given probability. What is possible is reckoned from costs that are measured in the same run.
 */

import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atLeast, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import type { QualityRequest, QualityTiming } from "./quality-process.js";
import { madeUpTokens } from "./race.js";

const reads = [1, 2, 3, 4, 5, 6, 8, 12, 16];

export async function measureQuality(bench: Bench): Promise<Row[]> {
  const { shapes, quality, rounds } = bench.size;
  bench.log(`quality: answers of ${quality.decode} tokens`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const remote = startProcess<QualityRequest, QualityTiming>(new URL("./quality-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const timing = await undisturbed([remote.pid], () =>
      remote.ask({
        prefill: prefill.path,
        decode: decode.path,
        threads: bench.threads,
        contextSize: quality.prompt + quality.decode + 32,
        prompt: madeUpTokens(quality.prompt, shapes.prefill.nVocab),
        tokens: quality.decode,
        rounds,
        acceptances: quality.acceptances,
        reads,
      }),
    );
    return toRows(bench, timing);
  } finally {
    await remote.close();
  }
}

function toRows({ size }: Bench, { alone, fast, checked, drafted, readMs }: QualityTiming): Row[] {
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
  for (const [i, acceptance] of size.quality.acceptances.entries()) {
    const rounds = pairwise(alone, checked[i] ?? []);
    const possible = bestSpeedUp(acceptance, median(fast) / one, costs);
    const [tokens, checks] = drafted[i] ?? [0, 0];
    const detail = `${tokens} tokens drafted for ${checks} checks`;
    rows.push(
      row({
        section,
        name: `exact, ${acceptance * 100}% of drafts kept, vs the prefill model alone`,
        value: median(rounds),
        unit: "ratio",
        target: atLeast(0.95),
        detail,
        rounds,
      }),
      row({
        section,
        name: `exact, ${acceptance * 100}% of drafts kept, vs what the measured costs allow`,
        value: median(rounds) / possible,
        unit: "ratio",
        target: atLeast(0.95),
        detail: `${median(rounds).toFixed(2)} of ${possible.toFixed(2)} times the prefill model alone`,
        rounds: rounds.map((ratio) => ratio / possible),
      }),
    );
  }
  return rows;
}

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
