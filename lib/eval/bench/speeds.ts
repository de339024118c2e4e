/** How fast the ways are: sums of each round, medians over the rounds, and ratios within a round. */

import type { BenchSpeed } from "./report.js";
import type { TimedAnswer } from "./ways.js";

interface Sums {
  answers: number;
  promptTokens: number;
  prefillMs: number;
  writtenTokens: number;
  decodeMs: number;
  firstTokenMs: number;
  ms: number;
}

const nothing = (): Sums => ({
  answers: 0,
  promptTokens: 0,
  prefillMs: 0,
  writtenTokens: 0,
  decodeMs: 0,
  firstTokenMs: 0,
  ms: 0,
});

/** The rounds of one way over some prompts. */
export class SpeedRounds {
  readonly #rounds: Sums[] = [];

  add(round: number, { result: { prefill, decode }, firstTokenMs, ms }: TimedAnswer): void {
    const sums = this.#rounds[round] ?? nothing();
    this.#rounds[round] = sums;
    sums.answers++;
    sums.promptTokens += prefill.promptTokens;
    sums.prefillMs += prefill.ms;
    // The first token comes of reading the prompt.
    sums.writtenTokens += Math.max(0, decode.tokens - 1);
    sums.decodeMs += decode.ms;
    sums.firstTokenMs += firstTokenMs;
    sums.ms += ms;
  }

  /** @param base the rounds of what it is compared with, over the same prompts */
  speed(base: SpeedRounds): BenchSpeed {
    const of = (figure: (sums: Sums) => number) => median(this.#rounds.map(figure));
    const against = (figure: (sums: Sums) => number) =>
      median(this.#rounds.map((sums, round) => ratio(figure(sums), figure(base.#rounds[round] ?? nothing()))));
    const reads = ({ promptTokens, prefillMs }: Sums) => 1000 * ratio(promptTokens, prefillMs);
    const writes = ({ writtenTokens, decodeMs }: Sums) => 1000 * ratio(writtenTokens, decodeMs);
    return {
      prefillTokensPerSecond: of(reads),
      decodeTokensPerSecond: of(writes),
      firstTokenMs: of(({ firstTokenMs, answers }) => ratio(firstTokenMs, answers)),
      answerTokens: of(({ writtenTokens, answers }) => 1 + ratio(writtenTokens, answers)),
      answerMs: of(({ ms, answers }) => ratio(ms, answers)),
      writesTimes: against(writes),
      // By the tokens that came of it: ways may write answers of different lengths.
      answersTimes: against(({ writtenTokens, answers, ms }) => ratio(writtenTokens + answers, ms)),
    };
  }
}

/** 0 where there is nothing to divide by. */
const ratio = (part: number, whole: number) => (whole > 0 ? part / whole : 0);

/** Of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
