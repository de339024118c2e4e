/** The ways of writing an answer that are measured: which pair each runs on, and what it asks of it. */

import type { DecodeChunk, DecodeOptions, GenerateResult, Pair, ScoreRow } from "../../engine/index.js";
import type { BenchWay } from "./options.js";

/** The full model alone comes first: the others are compared with it. */
export function waysOf(acceptances: readonly number[], refreshIntervals: readonly number[]): readonly BenchWay[] {
  const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);
  return [
    "prefill",
    "decode",
    "fast",
    ...ascending(refreshIntervals).map((refreshInterval) => ({ refreshInterval })),
    ...ascending(acceptances).map((acceptance) => ({ acceptance })),
    "exact",
  ];
}

/** Whether the full model checks what the small one drafts. */
export const isChecked = (way: BenchWay): boolean =>
  way === "exact" || (typeof way === "object" && "acceptance" in way);

/** What {@link Pair.score} calls the way; undefined for those that it does not know. */
export function scoreRowOf(way: BenchWay): ScoreRow | undefined {
  if (way === "prefill" || way === "decode") return way;
  if (way === "fast") return "two-stage";
  return typeof way === "object" && "refreshInterval" in way ? way : undefined;
}

function optionsOf(way: BenchWay): DecodeOptions {
  if (way === "prefill") return { writer: "prefill" };
  if (way === "decode") return {};
  if (typeof way === "object" && "refreshInterval" in way) return way;
  return { quality: way };
}

/** Both models together, and the small one by itself. */
export interface BenchPairs {
  readonly pair: Pair;
  readonly alone: Pair;
}

export interface TimedAnswer {
  readonly result: GenerateResult;
  /** From the call to the first token. */
  readonly firstTokenMs: number;
  /** To the last one. */
  readonly ms: number;
}

/** An answer in a session of its own; at a temperature of 0 where none is given. */
export async function answerIn(
  way: BenchWay,
  { pair, alone }: BenchPairs,
  prompt: readonly number[],
  options: Pick<DecodeOptions, "maxTokens" | "temperature" | "seed" | "ignoreEos" | "logProbs" | "signal">,
  onChunk?: (chunk: DecodeChunk) => void,
): Promise<TimedAnswer> {
  const session = await (way === "decode" ? alone : pair).createSession();
  try {
    const began = performance.now();
    let firstTokenMs: number | undefined;
    const result = await session.generate(prompt, {
      temperature: 0,
      ...options,
      ...optionsOf(way),
      onChunk: (chunk) => {
        firstTokenMs ??= performance.now() - began;
        onChunk?.(chunk);
      },
    });
    const ms = performance.now() - began;
    return { result, firstTokenMs: firstTokenMs ?? ms, ms };
  } finally {
    await session.dispose();
  }
}
