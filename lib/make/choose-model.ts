/**
 * Chooses the decode model for a target: the best candidate by what is known is made and looked at, and where it misses the
 * target, what was seen corrects what is known, and the next one is made.
 */

import { createError } from "../errors/create-error.js";
import { bitsOfType, msOf, type TimedModel, type TokenTime, tokenTimeOf } from "./model-cost.js";
import { type Candidate, findCandidates, type SearchSpace, smallestCandidate } from "./width-search.js";

/** What the decode model is to be. */
export type Target =
  | { readonly kind: "speedUp" | "targetSize" | "targetBytes"; readonly value: number }
  | { readonly kind: "quantize" };

/** What a candidate came to. */
export interface Trial {
  readonly parameters: number;
  readonly sizeBytes: number;
  /** Of the target `speedUp`. */
  readonly speedUp?: number;
}

export interface TriedCandidate {
  readonly candidate: Candidate;
  readonly trial: Trial;
}

export interface Choice extends TriedCandidate {
  readonly tried: readonly TriedCandidate[];
}

/** So much less than wanted is the noise of timing. */
const tolerance = 0.03;
/** A candidate that is so much faster than wanted has a better one beside it. */
const generous = 1.1;
const mostTimed = 6;
const mostSized = 12;

/**
 * Rejects with ERR_TARGET_UNREACHABLE, and with what `make` rejects with.
 *
 * @param full what the full model takes; needed for the target `speedUp`
 * @param make makes a candidate and looks at it
 */
export async function chooseModel(
  space: SearchSpace,
  target: Target,
  full: TimedModel,
  make: (candidate: Candidate) => Promise<Trial>,
): Promise<Choice> {
  if (target.kind === "speedUp") return chooseBySpeed(space, target.value, full, make);
  return chooseBySize(space, target, make);
}

async function chooseBySpeed(
  space: SearchSpace,
  speedUp: number,
  full: TimedModel,
  make: (candidate: Candidate) => Promise<Trial>,
): Promise<Choice> {
  const wantedMs = full.msPerToken / speedUp;
  const timed: TimedModel[] = [full];
  const tried: TriedCandidate[] = [];
  let chosen: TriedCandidate | undefined;
  let most = Number.POSITIVE_INFINITY;
  while (tried.length < mostTimed) {
    const time = timeAround(timed, wantedMs);
    const least = chosen?.candidate.readBytes ?? 0;
    const [best] = findCandidates(
      space,
      ({ readBytes }) => readBytes > least && readBytes < most && msOf(time, readBytes) <= wantedMs,
    );
    // What seems impossible by one that was timed may be so by its type, or because small models are bound by other things
    // than bytes: the smallest one tells.
    const next = best ?? (tried.length > 0 && !chosen ? smallestUntried(space, tried) : undefined);
    if (!next || (chosen && next.kept <= chosen.candidate.kept)) break;
    const trial = await make(next);
    const reached = trial.speedUp ?? 0;
    tried.push({ candidate: next, trial });
    timed.push({ bytes: next.readBytes, msPerToken: full.msPerToken / reached });
    if (reached >= (1 - tolerance) * speedUp) {
      chosen = { candidate: next, trial };
      if (reached < generous * speedUp) break;
    } else most = Math.min(most, next.readBytes);
  }
  if (chosen) return { ...chosen, tried };
  const estimated = full.msPerToken / msOf(tokenTimeOf(full), smallestCandidate(space).readBytes);
  const seen = Math.max(0, ...tried.map(({ trial }) => trial.speedUp ?? 0));
  throw unreachable("speedUp", speedUp, tried.length > 0 ? seen : estimated, "times as fast as the full model");
}

/** By the two timed models next to what is wanted; where none is so fast, by the full one and the fastest. */
function timeAround(timed: readonly TimedModel[], wantedMs: number): TokenTime {
  const byTime = timed.toSorted((a, b) => b.msPerToken - a.msPerToken);
  const isSlow = ({ msPerToken }: TimedModel) => msPerToken > wantedMs;
  const fast = byTime.find((one) => !isSlow(one));
  const slow = byTime.findLast(isSlow);
  if (fast && slow) return tokenTimeOf(slow, fast);
  return tokenTimeOf(byTime[0] as TimedModel, byTime.at(-1));
}

function smallestUntried(space: SearchSpace, tried: readonly TriedCandidate[]): Candidate | undefined {
  const smallest = smallestCandidate(space);
  return tried.some(({ candidate }) => candidate.readBytes <= smallest.readBytes) ? undefined : smallest;
}

async function chooseBySize(
  space: SearchSpace,
  target: Exclude<Target, { readonly kind: "speedUp" }>,
  make: (candidate: Candidate) => Promise<Trial>,
): Promise<Choice> {
  const sizeOf = (of: { readonly parameters: number; readonly bytes?: number; readonly sizeBytes?: number }) =>
    target.kind === "targetSize" ? of.parameters : (of.sizeBytes ?? of.bytes ?? 0);
  const value = target.kind === "quantize" ? Number.POSITIVE_INFINITY : target.value;
  const tried: TriedCandidate[] = [];
  let most = value;
  while (tried.length < mostSized) {
    const [candidate] = findCandidates(space, (of) => sizeOf(of) <= most);
    if (!candidate) break;
    const trial = await make(candidate);
    tried.push({ candidate, trial });
    if (sizeOf(trial) <= value) return { candidate, trial, tried };
    // Estimates leave out norms, and types differ by tensor.
    most = Math.min(most * (value / sizeOf(trial)), sizeOf(candidate) - 1);
  }
  const kind = target.kind === "targetSize" ? "targetSize" : "targetBytes";
  const words = kind === "targetSize" ? "parameters" : "bytes";
  throw unreachable(kind, value, sizeOf(tried.at(-1)?.trial ?? smallestCandidate(space)), words);
}

function unreachable(
  target: "speedUp" | "targetSize" | "targetBytes",
  asked: number,
  reachable: number,
  words: string,
): Error {
  const told = (value: number) => (target === "speedUp" ? value.toFixed(2) : String(Math.round(value)));
  return createError(
    "ERR_TARGET_UNREACHABLE",
    `no decode model of a quarter of the width or more and half of the layers or more comes to ${told(asked)} ${words}; ` +
      `${told(reachable)} can be had`,
    { target, asked, reachable },
  );
}

/** The types that are searched where nobody names one: fine, and coarse; none that is finer than the full model. */
export function typesFor(bitsOfFull: number, multiple: number): readonly string[] {
  const coarse = multiple % 256 === 0 ? "q4_k_m" : "q4_0";
  return bitsOfFull + 0.5 < bitsOfType("q8_0") ? [coarse] : ["q8_0", coarse];
}
