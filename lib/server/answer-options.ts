/** What bodies ask of an answer, as options of the library. */

import type { DecodeOptions, DecodeQuality } from "../engine/index.js";
import { badRequest } from "./api-error.js";
import type { AnswerDefaults } from "./options.js";
import type { CompletionBody } from "./request-schemas.js";

type SamplingBody = Omit<CompletionBody, "prompt" | "model" | "logprobs" | "stream" | "stream_options">;

export const withoutUndefined = <Options extends object>(options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;

/**
 * A model's defaults beside what a request asks for: a quality that its name has, which leaves nothing to refresh; a seed of
 * -1 and an empty list of stops, which say that there is to be none; JSON of a schema, which a stop would cut off in the
 * middle and which no other grammar can hold.
 */
export function defaultsBeside(
  defaults: AnswerDefaults,
  quality: DecodeQuality | undefined,
  { seed, stop }: Pick<SamplingBody, "seed" | "stop">,
  hasSchema = false,
): AnswerDefaults {
  const left: { -readonly [Name in keyof AnswerDefaults]: AnswerDefaults[Name] } = { ...defaults };
  if (quality !== undefined && quality !== "fast") {
    delete left.refreshInterval;
    delete left.refreshBudget;
  }
  if (seed === -1) delete left.seed;
  if (stop?.length === 0 || hasSchema) delete left.stop;
  if (hasSchema) delete left.grammar;
  return left;
}

/** As OpenAI has it, -100 forbids a token. */
const forbidden = -100;

function logitBiasOf(bias: SamplingBody["logit_bias"]): ReadonlyMap<number, number> | undefined {
  if (bias === undefined) return undefined;
  const pairs = Array.isArray(bias) ? bias : Object.entries(bias).map(([id, value]) => [Number(id), value] as const);
  return new Map(
    pairs.map(([id, value]) => [id, value === false || value <= forbidden ? Number.NEGATIVE_INFINITY : value]),
  );
}

/** The engine's options of a body, those that the body does not name left out. */
export function samplingOptions(body: SamplingBody): DecodeOptions {
  const { stop } = body;
  return withoutUndefined<DecodeOptions>({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    typicalP: body.typical_p,
    seed: body.seed === -1 ? undefined : body.seed,
    stop: Array.isArray(stop) && stop.length === 0 ? undefined : stop,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    repeatPenalty: body.repeat_penalty,
    repeatLastN: body.repeat_last_n,
    dynatempRange: body.dynatemp_range,
    dynatempExponent: body.dynatemp_exponent,
    dryMultiplier: body.dry_multiplier,
    dryBase: body.dry_base,
    dryAllowedLength: body.dry_allowed_length,
    dryPenaltyLastN: body.dry_penalty_last_n,
    drySequenceBreakers: body.dry_sequence_breakers,
    xtcProbability: body.xtc_probability,
    xtcThreshold: body.xtc_threshold,
    topNSigma: body.top_n_sigma,
    mirostat: body.mirostat,
    mirostatTau: body.mirostat_tau,
    mirostatEta: body.mirostat_eta,
    samplers: body.samplers,
    grammar: body.grammar,
    refreshInterval: body.refresh_interval,
    logitBias: logitBiasOf(body.logit_bias),
  });
}

/** The i-th answer is drawn with another seed than the first. */
export const seedOf = (seed: number | undefined, index: number): number | undefined =>
  seed === undefined ? undefined : (seed + index) % (2 ** 32 - 1);

/** Throws a 400. */
export function refuseTooMany(count: number, most: number, param: string): void {
  if (count > most) throw badRequest(`at most ${most} answers to a request`, param);
}
