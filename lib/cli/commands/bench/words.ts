/** The words in which a benchmark is told: of ways and figures, and what to make of them. */

import type { BenchReport, BenchRow, BenchWay } from "../../../eval/index.js";

export function nameOfWay(way: BenchWay): string {
  if (way === "prefill") return "full alone";
  if (way === "decode") return "small alone";
  if (typeof way === "string") return way;
  return "acceptance" in way ? `acceptance ${way.acceptance}` : `refresh ${way.refreshInterval}`;
}

export const formatTimes = (times: number): string => (times > 0 ? times.toFixed(2) : "");

/** `93.1%`; 100% is all of them, and nothing that rounds to it. */
export function formatShare(share: number): string {
  const percent = (100 * share).toFixed(1);
  return share < 1 && percent === "100.0" ? "> 99.9%" : share === 1 ? "100%" : `${percent}%`;
}

/**
 * The share of tokens in which it agrees with the full model: over its own answers, or the data's responses where it wrote
 * nothing but first tokens. Undefined where neither says anything.
 */
export function agreementOf({ way, written, given }: BenchRow): number | undefined {
  if (written.tokens > 0) return written.agreement;
  return given?.agreement ?? (way === "prefill" || way === "exact" ? 1 : undefined);
}

/** Less is within what a machine varies by. */
const worthwhile = 1.1;
/** From this agreement on a way counts as near. */
const near = 0.95;

/** A line for each way in which the pair writes, and what we would take. */
export function adviceOn({ rows }: BenchReport): string[] {
  if (rows[0]?.speed.decodeTokensPerSecond === 0)
    return ["The full model ended all answers with their first token: nothing can be said about writing."];
  const ofPair = rows.filter(({ way }) => way !== "prefill" && way !== "decode");
  return [...ofPair.map(describeRow), recommend(ofPair)];
}

const inTimes = (times: number) => `${times.toFixed(times < 10 ? 1 : 0)} times`;

function describeRow(row: BenchRow): string {
  const {
    way,
    speed: { writesTimes },
  } = row;
  if (way === "exact")
    return writesTimes >= worthwhile
      ? `exact: the full model's own answers at ${inTimes(writesTimes)} its speed.`
      : `exact: the full model's own answers, no faster than it writes alone (${inTimes(writesTimes)}).`;
  const agreement = agreementOf(row);
  const near = agreement === undefined ? "" : `, agrees in ${formatShare(agreement)} of tokens`;
  return `${nameOfWay(way)}: ${inTimes(writesTimes)} its speed${near}.`;
}

function recommend(rows: readonly BenchRow[]): string {
  const faster = rows
    .filter(({ speed }) => speed.writesTimes >= worthwhile)
    .toSorted((a, b) => b.speed.writesTimes - a.speed.writesTimes);
  const [fastest] = faster;
  if (!fastest) return "Nothing here is faster than the full model alone: this pair is not worth it on this machine.";
  const exact = faster.find(({ way }) => way === "exact");
  // A little speed is no reason to give up exactness.
  if (exact && exact.speed.writesTimes >= fastest.speed.writesTimes / worthwhile)
    return "Take exact: hardly anything is faster, and nothing is lost.";
  const best = faster.find((row) => (agreementOf(row) ?? 0) >= near);
  if (best && best !== exact) {
    const else_ = exact ? ", or exact where every token has to be the full model's" : "";
    return `Take ${nameOfWay(best.way)}: the fastest that is near to the full model${else_}.`;
  }
  if (exact) return "Take exact: what is faster is far from the full model.";
  return "What is faster is far from the full model: look at its answers before you take it.";
}
