/** The ways of inference that are measured side by side. */

import type { ScoreRow } from "../engine/index.js";

/** The three that there always are, and one for each refresh interval. */
export function rowsOf(refreshIntervals: readonly number[]): readonly ScoreRow[] {
  return ["prefill", "decode", "two-stage", ...refreshIntervals.map((refreshInterval) => ({ refreshInterval }))];
}

/** Whether both models take part. */
export function usesBoth(row: ScoreRow): boolean {
  return row !== "prefill" && row !== "decode";
}
