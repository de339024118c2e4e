/** The process of {@link measureBatching}: sessions of one pair that write at the same time. */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadPair, type Pair } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface BatchSettings {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly maxSessions: number;
}

export type BatchRequest =
  | { readonly verb: "open"; readonly settings: BatchSettings }
  | {
      readonly verb: "write";
      readonly sessions: number;
      readonly prompt: readonly number[];
      /** Of each answer, without its first one. */
      readonly tokens: number;
    };

export interface BatchAnswer {
  /** Without the prompts and the first tokens, which are the prefill model's. */
  readonly ms: number;
  /** How late Node's event loop came to a timer meanwhile, in 99 of 100 cases at most. */
  readonly loopDelayMs: number;
  /** Of the process. */
  readonly residentBytes: number;
  readonly kvBytes: number;
}

/** How often the event loop's delay is looked at. */
const resolution = 1;

let pair: Pair | undefined;

serve<BatchRequest, BatchAnswer>(async (request) => {
  if (request.verb === "open") {
    const { prefill, decode, ...settings } = request.settings;
    pair = await loadPair({ ...settings, prefill: { model: prefill }, decode: { model: decode }, gpu: false });
  }
  if (!pair) throw new Error("no pair was opened");
  const times = request.verb === "write" ? await writeTogether(pair, request) : { ms: 0, loopDelayMs: 0 };
  return { ...times, residentBytes: process.memoryUsage.rss(), kvBytes: pair.info.kvBytes };
});

async function writeTogether(
  on: Pair,
  { sessions: count, prompt, tokens }: BatchRequest & { verb: "write" },
): Promise<{ ms: number; loopDelayMs: number }> {
  const sessions = await Promise.all(Array.from({ length: count }, () => on.createSession()));
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
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  const begin = performance.now();
  await write(tokens);
  const ms = performance.now() - begin;
  delay.disable();
  await Promise.all(sessions.map((session) => session.dispose()));
  // What is recorded is the time between two looks, so the wait for the next one is part of it.
  return { ms, loopDelayMs: Math.max(0, delay.percentile(99) / 1e6 - resolution) };
}
