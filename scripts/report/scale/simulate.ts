/**
 * One machine that reads prompts for many that write, second by second: prompts wait for each other, are read in
 * micro-batches, and their cells travel while the next micro-batch is read. Every writer asks, waits for its first token,
 * writes the answer by itself, lets its user think, and asks again.
 */

import { mulberry32 } from "../../../lib/internal/random.js";

export interface Reader {
  readonly tokensPerSecond: number;
  /** Tokens after which cells can be sent. */
  readonly microBatch: number;
  /** Of the reader's own connection, which all writers share; in bytes a second. */
  readonly uplink: number;
}

export interface Link {
  /** Bytes a second to one writer. */
  readonly bytesPerSecond: number;
  /** Seconds, one way. */
  readonly latency: number;
}

export interface Demand {
  readonly writers: number;
  /** Tokens of a prompt that the reader has not read before. */
  readonly newTokens: number;
  readonly answerTokens: number;
  /** Of the machine that writes. */
  readonly writtenPerSecond: number;
  /** Mean of the seconds between an answer's end and the next prompt; exponentially distributed. */
  readonly think: number;
}

export interface Outcome {
  /** Seconds from a prompt to its first token, ascending. */
  readonly firstToken: readonly number[];
  /** Share of the time in which the reader read. */
  readonly busy: number;
}

export interface Simulation {
  readonly reader: Reader;
  readonly link: Link;
  readonly demand: Demand;
  /** Of one token's cells. */
  readonly cellBytes: number;
  /** Prompts that are counted; as many as a tenth of them come before, until the queue is as long as it gets. */
  readonly prompts: number;
  readonly seed?: number;
}

export function simulate({ reader, link, demand, cellBytes, prompts, seed = 1 }: Simulation): Outcome {
  const draw = mulberry32(seed);
  // 1 - x: the logarithm of 0 is never taken.
  const thinking = () => -demand.think * Math.log(1 - draw());
  /** When each writer asks next. */
  const asks = Array.from({ length: demand.writers }, thinking);
  const writing = demand.answerTokens / demand.writtenPerSecond;
  const warmUp = Math.ceil(prompts / 10);
  const firstToken: number[] = [];
  let readerFree = 0;
  let uplinkFree = 0;
  let countedFrom = 0;
  let read = 0;

  for (let count = 0; count < prompts + warmUp; count++) {
    const writer = earliest(asks);
    const asked = asks[writer] ?? 0;
    if (count === warmUp) countedFrom = Math.max(readerFree, asked);
    const begun = Math.max(asked + link.latency, readerFree);
    let computed = begun;
    let linkFree = 0;
    let arrived = begun;
    for (let left = demand.newTokens; left > 0; left -= reader.microBatch) {
      const tokens = Math.min(left, reader.microBatch);
      const bytes = tokens * cellBytes;
      computed += tokens / reader.tokensPerSecond;
      const sent = Math.max(computed, uplinkFree);
      uplinkFree = sent + bytes / reader.uplink;
      linkFree = Math.max(sent, linkFree) + bytes / link.bytesPerSecond;
      arrived = Math.max(uplinkFree, linkFree);
    }
    readerFree = computed;
    const first = arrived + link.latency;
    asks[writer] = first + writing + thinking();
    if (count < warmUp) continue;
    firstToken.push(first - asked);
    read += computed - begun;
  }
  return { firstToken: firstToken.sort((a, b) => a - b), busy: read / (readerFree - countedFrom) };
}

function earliest(times: readonly number[]): number {
  let best = 0;
  for (const [i, time] of times.entries()) if (time < (times[best] ?? 0)) best = i;
  return best;
}

/** Of ascending values. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/**
 * As many writers as one reader can have before one prompt in twenty gets its first token later than `seconds`; 0 if not
 * even one can.
 */
export function mostWriters(simulation: Simulation, seconds: number, limit = 4096): number {
  const isGood = (writers: number) => {
    const { firstToken } = simulate({ ...simulation, demand: { ...simulation.demand, writers } });
    return quantile(firstToken, 0.95) <= seconds;
  };
  if (!isGood(1)) return 0;
  let good = 1;
  let bad = 2;
  while (bad <= limit && isGood(bad)) [good, bad] = [bad, bad * 2];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isGood(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
