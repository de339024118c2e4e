/**
 * Chooses the decode model for a target: the best candidate by what is known is made and looked at, and where it misses the
 * target, what was seen corrects what is known, and the next one is made.
 */

import { createError } from "../errors/create-error.js";
import { bitsOfType, msOf, type TimedModel, type TokenTime, tokenTimeOf } from "./model-cost.js";
import {
  type Candidate,
  findCandidates,
  findShallow,
  narrowestCandidate,
  type SearchSpace,
  smallestCandidate,
} from "./width-search.js";

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
const mostTimed = 8;
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
  const search = new SpeedSearch(space, full, full.msPerToken / speedUp);
  const tried: TriedCandidate[] = [];
  let chosen: TriedCandidate | undefined;
  while (tried.length < mostTimed) {
    const next = search.next(chosen?.candidate);
    if (!next || (chosen && next.kept <= chosen.candidate.kept)) break;
    const trial = await make(next);
    const reached = trial.speedUp ?? 0;
    tried.push({ candidate: next, trial });
    const isFast = reached >= (1 - tolerance) * speedUp;
    search.timed(next, full.msPerToken / reached, isFast);
    if (isFast) {
      chosen = { candidate: next, trial };
      if (reached < generous * speedUp) break;
    }
  }
  if (chosen) return { ...chosen, tried };
  const estimated = full.msPerToken / msOf(tokenTimeOf(full), smallestCandidate(space).readBytes);
  const seen = Math.max(0, ...tried.map(({ trial }) => trial.speedUp ?? 0));
  throw unreachable("speedUp", speedUp, tried.length > 0 ? seen : estimated, "times as fast as the full model");
}

/**
 * What to time next. Time goes by bytes at first. Where a model that was timed makes the target seem out of reach, the
 * narrowest one tells: if it is fast enough, time is reckoned between the two; if not, what is left of it is what layers
 * cost, however narrow they are, and layers go.
 */
class SpeedSearch {
  readonly #models: TimedModel[];
  readonly #seen = new Set<string>();
  #most = Number.POSITIVE_INFINITY;
  #byLayers: TokenTime | undefined;
  #correction = 1;

  constructor(
    readonly space: SearchSpace,
    readonly full: TimedModel,
    readonly wantedMs: number,
  ) {
    this.#models = [full];
  }

  /** @param chosen the best that was fast enough; undefined: there is nothing left to try */
  next(chosen: Candidate | undefined): Candidate | undefined {
    if (this.#byLayers) return this.#shallow(chosen);
    const time = timeAround(this.#models, this.wantedMs);
    const least = chosen?.readBytes ?? 0;
    const [best] = findCandidates(
      this.space,
      ({ readBytes }) => readBytes > least && readBytes < this.#most && msOf(time, readBytes) <= this.wantedMs,
    );
    // By the full model alone it is out of reach by far.
    if (chosen || this.#models.length === 1) return best;
    const { layers } = this.space.shape;
    if (best?.layers === layers) return best;
    const narrowest = narrowestCandidate(this.space);
    if (!this.#seen.has(nameOf(narrowest))) return narrowest;
    return best;
  }

  #shallow(chosen: Candidate | undefined): Candidate | undefined {
    const [best] = findShallow(
      this.space,
      (one) => one.kept > (chosen?.kept ?? 0) && !this.#seen.has(nameOf(one)) && this.#reckoned(one) <= this.wantedMs,
    );
    return best;
  }

  #reckoned({ layers, readBytes }: Candidate): number {
    const { fixedMs, msPerByte } = this.#byLayers ?? { fixedMs: 0, msPerByte: 0 };
    return this.#correction * ((fixedMs * layers) / this.space.shape.layers + msPerByte * readBytes);
  }

  timed(candidate: Candidate, msPerToken: number, isFast: boolean): void {
    const model = { bytes: candidate.readBytes, msPerToken };
    this.#seen.add(nameOf(candidate));
    this.#models.push(model);
    if (!isFast) this.#most = Math.min(this.#most, candidate.readBytes);
    if (this.#byLayers) this.#correction *= msPerToken / this.#reckoned(candidate);
    else if (!isFast && nameOf(candidate) === nameOf(narrowestCandidate(this.space)))
      this.#byLayers = tokenTimeOf(this.full, model);
  }
}

const nameOf = ({ hidden, ffn, layers, type }: Candidate) => `${hidden} ${ffn} ${layers} ${type}`;

/** By the two timed models next to what is wanted; where none is so fast, by the full one and the fastest. */
function timeAround(timed: readonly TimedModel[], wantedMs: number): TokenTime {
  const byTime = timed.toSorted((a, b) => b.msPerToken - a.msPerToken);
  const isSlow = ({ msPerToken }: TimedModel) => msPerToken > wantedMs;
  const fast = byTime.find((one) => !isSlow(one));
  const slow = byTime.findLast(isSlow);
  if (fast && slow) return tokenTimeOf(slow, fast);
  return tokenTimeOf(byTime[0] as TimedModel, byTime.at(-1));
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
