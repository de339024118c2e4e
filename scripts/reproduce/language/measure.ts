/**
 * What a writer writes, in every way that a pair has, behind prompts of every length, as a file of sums for each place:
 *
 * - given: how it predicts the text's own continuation, and how near it is to the full model there. The ways that check
 *   drafts have none: nothing of theirs is fixed before the full model has seen it.
 * - sampled: what the full model makes of what it draws, by the package's usual samplers. Its own text is the standard.
 * - greedy: in how many places of its likeliest continuation the full model would have gone on in the same way.
 */

import { readFileSync } from "node:fs";
import { type DecodeOptions, type GenerateResult, loadPair, type Pair, type ScoreRow } from "../../../lib/index.js";
import { type Job, put } from "../jobs.js";
import type { LanguagePlan } from "./plan.js";
import { type Place, type Places, promptOf } from "./texts.js";

/** `alone`: the writer reads, too. */
export type Way = "alone" | "two-stage" | `refresh ${number}` | "checked" | "exact";

export function waysOf({ refreshIntervals }: Pick<LanguagePlan, "refreshIntervals">): readonly Way[] {
  return ["alone", "two-stage", ...refreshIntervals.map((interval): Way => `refresh ${interval}`), "checked", "exact"];
}

/** Sums over the tokens of each part of a continuation, in the order of the plan's `bounds`. */
type Sums = readonly number[];

/** What came of one way behind one prompt. */
export interface Sample {
  readonly way: Way | "full";
  /** Tokens of the prompt. */
  readonly prompt: number;
  readonly place: number;
  /** Tokens of each part: fewer where an answer ended. */
  readonly given?: { readonly tokens: Sums; readonly logProb: Sums; readonly agree: Sums; readonly divergence: Sums };
  /** These are absent where another seed writes. */
  readonly sampled?: { readonly tokens: Sums; readonly logProb: Sums };
  readonly greedy?: { readonly tokens: Sums; readonly agree: Sums };
  readonly drafts?: { readonly drafted: number; readonly kept: number };
}

export const readSamples = (job: Job): Sample[] => JSON.parse(readFileSync(job.out, "utf8"));

/** Every `of`th place from `first` on. */
export interface Turn {
  readonly first: number;
  readonly of: number;
}

/**
 * @param writer absent: the full model by itself, against which all are measured
 * @param turn where a writer of several seeds writes and is refreshed, so that together they do so once at each place; all
 * of them read them all. Left out, it does everything everywhere
 */
export function measureJob(
  plan: LanguagePlan,
  full: Job,
  places: Job,
  writer: Job | undefined,
  out: string,
  turn?: Turn,
): Job {
  const { contextSize, promptLengths, bounds, refreshIntervals, acceptance } = plan;
  return {
    name: writer ? `measured: ${writer.name}` : "measured: the full model alone",
    out,
    needs: writer ? [full, places, writer] : [full, places],
    options: { contextSize, promptLengths, bounds, refreshIntervals, acceptance, ...(turn && { turn }) },
    run: async (signal, onProgress) => {
      const common = { contextSize, threads: 1, gpu: false, signal } as const;
      await using pair = await loadPair({
        ...common,
        prefill: { model: full.out },
        ...(writer && { decode: { model: writer.out } }),
      });
      await using alone = await loadPair({ ...common, prefill: { model: (writer ?? full).out } });
      const asked = JSON.parse(readFileSync(places.out, "utf8")) as Places;
      const samples: Sample[] = [];
      const ways: readonly (Way | "full")[] = writer ? waysOf(plan) : ["full"];
      const total = promptLengths.length * asked.places.length;
      let done = 0;
      for (const length of promptLengths)
        for (const [place, at] of asked.places.entries()) {
          const prompt = promptOf(asked, at, length);
          const measuring = { plan, pair, alone, prompt, at, place, signal };
          const writes = !turn || place % turn.of === turn.first;
          // What the seeds are compared by.
          const readings = writes ? ways : ways.filter((way) => way === "alone" || way === "two-stage");
          const given = await givenSums(measuring, readings);
          for (const [i, way] of readings.entries()) {
            const written = writes ? await writtenSums(measuring, way) : {};
            samples.push({ way, prompt: length, place, ...given[i], ...written });
          }
          onProgress(++done / total);
        }
      await put(out, JSON.stringify(samples), signal);
    },
  };
}

interface Measuring {
  readonly plan: LanguagePlan;
  readonly pair: Pair;
  readonly alone: Pair;
  readonly prompt: readonly number[];
  readonly at: Place;
  readonly place: number;
  readonly signal: AbortSignal;
}

const rowOf = (way: Way | "full"): ScoreRow | undefined => {
  if (way === "full") return "prefill";
  if (way === "alone") return "decode";
  if (way === "two-stage") return way;
  const interval = /^refresh (\d+)$/.exec(way)?.[1];
  return interval === undefined ? undefined : { refreshInterval: Number(interval) };
};

async function givenSums(
  { plan, pair, prompt, at, signal }: Measuring,
  ways: readonly (Way | "full")[],
): Promise<Pick<Sample, "given">[]> {
  const rowsOfWays = ways.map(rowOf);
  const rows = rowsOfWays.filter((row) => row !== undefined);
  const { responses } = await pair.score(prompt, [at.behind], { rows, signal });
  const scored = responses[0]?.rows.values();
  return rowsOfWays.map((row) => {
    const own = row === undefined ? undefined : scored?.next().value;
    if (!own) return {};
    const sums = (values: ArrayLike<number>) => sumsOf(values, plan.bounds);
    const { logProbs, agree, divergence } = own;
    return {
      given: {
        tokens: counts(at.behind.length, plan.bounds),
        logProb: sums(logProbs),
        agree: sums(agree),
        divergence: sums(divergence),
      },
    };
  });
}

function decodeOptionsOf(way: Way | "full", { acceptance }: LanguagePlan): DecodeOptions {
  if (way === "exact") return { quality: "exact" };
  if (way === "checked") return { quality: { acceptance } };
  const row = rowOf(way);
  return typeof row === "object" ? row : {};
}

async function writtenSums(
  measuring: Measuring,
  way: Way | "full",
): Promise<Pick<Sample, "sampled" | "greedy" | "drafts">> {
  const { plan, pair, prompt, place, signal } = measuring;
  // The same draws for every writer, and others for every prompt.
  const sampled = await write(measuring, way, { seed: 1000 * prompt.length + place });
  const read = await pair.score(prompt, [sampled.result.tokens], { rows: ["prefill"], signal });
  const logProbs = read.responses[0]?.rows[0]?.logProbs ?? [];

  const isChecked = way === "checked" || way === "exact";
  const greedy = await write(measuring, way, { temperature: 0, ...(isChecked && { logProbs: 1 }) });
  const agree = isChecked ? greedy.likeliest : await agreement(measuring, way, greedy.result.tokens);
  const { verification } = sampled.result.decode;
  return {
    sampled: { tokens: counts(logProbs.length, plan.bounds), logProb: sumsOf(logProbs, plan.bounds) },
    greedy: { tokens: counts(agree.length, plan.bounds), agree: sumsOf(agree, plan.bounds) },
    ...(verification && { drafts: { drafted: verification.draftedTokens, kept: verification.keptTokens } }),
  };
}

/** A continuation of the whole length, and for each of its tokens whether it was the likeliest where that was asked for. */
async function write(
  { plan, pair, alone, prompt, signal }: Measuring,
  way: Way | "full",
  options: DecodeOptions,
): Promise<{ readonly result: GenerateResult; readonly likeliest: number[] }> {
  const likeliest: number[] = [];
  await using session = await (way === "alone" || way === "full" ? alone : pair).createSession();
  const result = await session.generate(prompt, {
    ...options,
    ...decodeOptionsOf(way, plan),
    // As much is drafted each time, so that the figures are the same again.
    deterministic: true,
    ignoreEos: true,
    maxTokens: plan.bounds.at(-1),
    signal,
    onChunk: ({ logProbs = [] }) => {
      for (const { token, top } of logProbs) likeliest.push(top[0]?.token === token ? 1 : 0);
    },
  });
  return { result, likeliest };
}

async function agreement(
  { pair, prompt, signal }: Measuring,
  way: Way | "full",
  tokens: readonly number[],
): Promise<ArrayLike<number>> {
  const row = rowOf(way);
  if (way === "full" || row === undefined) return tokens.map(() => 1);
  const { responses } = await pair.score(prompt, [tokens], { rows: [row], signal });
  return responses[0]?.rows[0]?.agree ?? [];
}

/** Of the parts that end at these bounds. */
export function sumsOf(values: ArrayLike<number>, bounds: readonly number[]): number[] {
  return bounds.map((to, i) => {
    let sum = 0;
    for (let at = bounds[i - 1] ?? 0; at < Math.min(to, values.length); at++) sum += values[at] ?? 0;
    return sum;
  });
}

export const counts = (tokens: number, bounds: readonly number[]): number[] =>
  bounds.map((to, i) => Math.max(0, Math.min(to, tokens) - (bounds[i - 1] ?? 0)));
