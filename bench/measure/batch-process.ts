/** The process of {@link measureBatch}: sessions of one pair that write at the same time. */

import { loadPair, type Pair } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface BatchRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  /** Numbers of sessions, ascending; the first is what the others are compared with. */
  readonly sessions: readonly number[];
  readonly rounds: number;
  /** Tokens of each answer. */
  readonly decodeTokens: number;
  readonly prompt: readonly number[];
}

export interface BatchTiming {
  readonly sessions: number;
  /** Of all sessions together, one value a round. */
  readonly tokensPerSecond: readonly number[];
}

serve<BatchRequest, BatchTiming[]>(async ({ prefill, decode, threads, sessions, rounds, decodeTokens, prompt }) => {
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize: 256,
    maxSessions: Math.max(...sessions),
    threads,
    gpu: false,
  });
  const timings = sessions.map((count) => ({ sessions: count, tokensPerSecond: [] as number[] }));
  for (let round = 0; round < rounds; round++)
    for (const timing of timings)
      timing.tokensPerSecond.push(await writeTogether(pair, timing.sessions, prompt, decodeTokens));
  return timings;
});

/** Tokens a second, without the prompts and the first token, which is the prefill model's. */
async function writeTogether(pair: Pair, count: number, prompt: readonly number[], nTokens: number): Promise<number> {
  const sessions = await Promise.all(Array.from({ length: count }, () => pair.createSession()));
  const write = async (maxTokens: number) => {
    const reading = sessions.map(async (session) => {
      for await (const _ of session.decode({ maxTokens, temperature: 0, ignoreEos: true }));
    });
    await Promise.all(reading);
  };
  for (const session of sessions) {
    await session.prefill(prompt);
    await session.switch();
  }
  await write(1);
  const begin = performance.now();
  await write(nTokens);
  const seconds = (performance.now() - begin) / 1000;
  await Promise.all(sessions.map((session) => session.dispose()));
  return (count * nTokens) / seconds;
}
