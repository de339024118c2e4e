/** How likely given responses are to each of the ways in which a pair can write them. */

import { abortable } from "../internal/abortable.js";
import type { NativeSession } from "../internal/binding-types.js";
import type { CheckedScore } from "./score-validation.js";

/**
 * Who reads and writes: the prefill model by itself, the decode model by itself, or both in two stages with the pair's
 * handover; with a `refreshInterval` as {@link DecodeOptions.refreshInterval} has it.
 */
export type ScoreRow = "prefill" | "decode" | "two-stage" | { readonly refreshInterval: number };

/** Options of {@link Pair.score}. */
export interface ScoreOptions {
  /** The decode model of the rows, by name. @default the pair's first */
  readonly writer?: string | undefined;
  /** @default ["prefill", "decode", "two-stage"] */
  readonly rows?: readonly ScoreRow[] | undefined;
  /** Whether text such as `<|im_end|>` becomes the control token of that name. @default true */
  readonly parseSpecial?: boolean | undefined;
  /** As {@link SessionOptions.priority}. @default 0 */
  readonly priority?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What one row gives to a response, an entry for each of its tokens. */
export interface RowScores {
  readonly row: ScoreRow;
  /** Natural logarithm of the token's probability, given everything before it. */
  readonly logProbs: Float64Array;
  /** 1 where the likeliest token is the prefill model's likeliest, else 0. */
  readonly agree: Uint8Array;
  /** Kullback-Leibler divergence of the row's distribution from the prefill model's, KL(prefill || row), in nats. */
  readonly divergence: Float64Array;
}

export interface ScoredResponse {
  readonly tokens: readonly number[];
  /** In the order of the rows asked for. */
  readonly rows: readonly RowScores[];
}

/** Answer of {@link Pair.score}. */
export interface ScoreResult {
  readonly promptTokens: number;
  readonly responses: readonly ScoredResponse[];
}

const readers = { prefill: 0, decode: 1, "two-stage": 2 } as const;

/** On a session of its own that has read nothing. @internal */
export async function scoreOn(
  native: NativeSession,
  { prompt, responses, options }: CheckedScore,
  writer: number,
): Promise<ScoreResult> {
  const { rows, parseSpecial } = options;
  const codes = rows.flatMap((row) => (typeof row === "string" ? [readers[row], 0] : [2, row.refreshInterval]));
  const result = await abortable(
    options.signal,
    () => native.abort(),
    () => native.score(prompt, responses, Int32Array.from(codes), parseSpecial, writer),
  );
  return {
    promptTokens: result.promptTokens,
    responses: result.responses.map((response) => ({
      tokens: Array.from(response.tokens),
      rows: response.rows.map((scores, i) => ({ row: rows[i] as ScoreRow, ...scores })),
    })),
  };
}
