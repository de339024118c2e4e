/** Lets contestants do the same work in turn, so that whatever else the machine does disturbs them alike. */

import type { Contestant } from "../contestants/contestant.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { median } from "../statistics.js";

export interface RacePlan {
  readonly prompt: readonly number[];
  /** Tokens of the answer after the first one. */
  readonly decodeTokens: number;
  readonly rounds: number;
  readonly onRound?: (round: number) => void;
}

/** One value a round. */
export interface RaceResult {
  /** Milliseconds from the prompt to the first token. */
  readonly firstTokenMs: readonly number[];
  /** Of the tokens after the first one. */
  readonly tokensPerSecond: readonly number[];
}

/** The results in the contestants' order. Closes the contestants. */
export async function race(contestants: readonly Contestant[], plan: RacePlan): Promise<RaceResult[]> {
  const pids = contestants.map((contestant) => contestant.pid);
  try {
    await waitForQuiet(pids);
    for (const contestant of contestants) {
      await contestant.prompt(plan.prompt.slice(0, 16));
      await contestant.decode(Math.min(plan.decodeTokens, 8));
    }
    const results = contestants.map(() => ({ firstTokenMs: [] as number[], tokensPerSecond: [] as number[] }));
    for (let round = 0; round < plan.rounds; round++) {
      plan.onRound?.(round);
      // Forth and back: a drift of the machine's speed then favours nobody.
      const order = contestants.map((_, i) => (round % 2 === 0 ? i : contestants.length - 1 - i));
      for (const i of order) {
        const [contestant, result] = [contestants[i], results[i]];
        if (!contestant || !result) continue;
        const [firstTokenMs, decodeMs] = await undisturbed(pids, async () => [
          await contestant.prompt(plan.prompt),
          await contestant.decode(plan.decodeTokens),
        ]);
        result.firstTokenMs.push(firstTokenMs);
        result.tokensPerSecond.push((plan.decodeTokens * 1000) / decodeMs);
      }
    }
    return results;
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.close()));
  }
}

/** Token ids that every model of the benchmark has: made up, but the same each time. */
export function madeUpTokens(count: number, nVocab: number): number[] {
  const first = 300;
  return Array.from({ length: count }, (_, i) => first + ((i * 7919) % (nVocab - first)));
}

/** "12.3", the median of a series. */
export const showMedian = (values: readonly number[]): string => {
  const value = median(values);
  return value.toFixed(value < 10 ? 2 : 1);
};
