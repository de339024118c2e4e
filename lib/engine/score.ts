/** How likely given responses are to each of the ways in which a pair can write them. */

import { z } from "zod";
import { abortable } from "../internal/abortable.js";
import type { NativeSession } from "../internal/binding-types.js";
import { check, refusedArgument, signal } from "../internal/check-options.js";
import { checkPrompt } from "./validation.js";

/**
 * Who reads and writes: the prefill model by itself, the decode model by itself, or both in two stages with the pair's
 * handover; with a `refreshInterval` as {@link DecodeOptions.refreshInterval} has it.
 */
export type ScoreRow = "prefill" | "decode" | "two-stage" | { readonly refreshInterval: number };

/** Options of {@link Pair.score}. */
export interface ScoreOptions {
  /** @default ["prefill", "decode", "two-stage"] */
  readonly rows?: readonly ScoreRow[];
  /** Whether text such as `<|im_end|>` becomes the control token of that name. @default true */
  readonly parseSpecial?: boolean;
  readonly signal?: AbortSignal;
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

const rowSchema = z.union([
  z.enum(["prefill", "decode", "two-stage"]),
  z.strictObject({
    refreshInterval: z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  }),
]);

const optionsSchema = z.strictObject({
  rows: z
    .array(rowSchema)
    .min(1)
    .max(64)
    .default(() => ["prefill" as const, "decode" as const, "two-stage" as const]),
  parseSpecial: z.boolean().default(true),
  signal: signal.optional(),
});

const readers = { prefill: 0, decode: 1, "two-stage": 2 } as const;

export interface CheckedScore {
  readonly prompt: string | Int32Array;
  readonly responses: readonly (string | Int32Array)[];
  readonly options: z.infer<typeof optionsSchema>;
}

export function checkScore(prompt: unknown, responses: unknown, options: unknown): CheckedScore {
  const list = check(z.array(z.any()).min(1), responses, "responses");
  return {
    prompt: checkPrompt(prompt),
    responses: list.map((response, i) => checkResponse(response, `responses[${i}]`)),
    options: check(optionsSchema, options, "options"),
  };
}

function checkResponse(value: unknown, name: string): string | Int32Array {
  const shape = z.union([
    z.string().min(1),
    z.instanceof(Int32Array),
    z.instanceof(Uint32Array),
    z.array(z.int().min(0)),
  ]);
  const response = check(shape, value, name);
  if (response.length === 0) throw refusedArgument(name, "expected at least one token", "none");
  return typeof response === "string" || response instanceof Int32Array ? response : Int32Array.from(response);
}

/** On a session of its own that has read nothing. */
export async function scoreOn(
  native: NativeSession,
  { prompt, responses, options }: CheckedScore,
): Promise<ScoreResult> {
  const { rows, parseSpecial } = options;
  const codes = rows.flatMap((row) => (typeof row === "string" ? [readers[row], 0] : [2, row.refreshInterval]));
  const result = await abortable(
    options.signal,
    () => native.abort(),
    () => native.score(prompt, responses, Int32Array.from(codes), parseSpecial),
  );
  return {
    promptTokens: result.promptTokens,
    responses: result.responses.map((response) => ({
      tokens: Array.from(response.tokens),
      rows: response.rows.map((scores, i) => ({ row: rows[i] as ScoreRow, ...scores })),
    })),
  };
}
