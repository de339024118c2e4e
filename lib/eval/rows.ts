/** The ways of inference that are measured side by side. */

import type { DecodeQuality, ScoreRow } from "../engine/index.js";

/** A way of inference: one that tokens can be scored by, or in task `"generate"` one that only an answer can be written by. */
export type EvaluatedRow =
  | ScoreRow
  | { readonly quality: Exclude<DecodeQuality, "fast"> }
  | { readonly refreshBudget: number };

/** The three that there always are, and one for each refresh interval, budget and quality. */
export function rowsOf({
  refreshIntervals,
  refreshBudgets,
  qualities,
}: {
  readonly refreshIntervals: readonly number[];
  readonly refreshBudgets: readonly number[];
  readonly qualities: readonly DecodeQuality[];
}): readonly EvaluatedRow[] {
  return [
    ...(["prefill", "decode", "two-stage"] as const),
    ...refreshIntervals.map((refreshInterval) => ({ refreshInterval })),
    ...refreshBudgets.map((refreshBudget) => ({ refreshBudget })),
    // Fast is what two-stage is.
    ...qualities.flatMap((quality) => (quality === "fast" ? [] : [{ quality }])),
  ];
}

/** Those that tokens can be scored by. */
export function scoredRows(rows: readonly EvaluatedRow[]): readonly ScoreRow[] {
  return rows.filter((row): row is ScoreRow => typeof row === "string" || "refreshInterval" in row);
}

/** Whether both models take part. */
export function usesBoth(row: EvaluatedRow): boolean {
  return row !== "prefill" && row !== "decode";
}
