/**
 * How likely two continuations are to a writer, as a file of sums for each place: the text's own, and one that the full
 * model has drawn from its whole distribution. The second tells the divergence from the full model as it was: the mean
 * of the difference of the log-probabilities over its own draws. (The one that `score` has is from the pair's reader, which
 * is no longer the full model once it was trained.)
 */

import { readFileSync } from "node:fs";
import { loadPair, type ScoreRow } from "../../../lib/index.js";
import type { Contestant } from "../answers.js";
import { type Job, put } from "../jobs.js";
import { sumsOf } from "../language/measure.js";
import { type Places, promptOf } from "../language/texts.js";
import type { ReaderLanguagePlan } from "./plan.js";

/** Sums of log-probabilities over the parts of a continuation, in the order of the plan's `bounds`. */
export interface Likelihood {
  readonly text: readonly number[];
  readonly drawn: readonly number[];
}

/** Of every place. */
export const readLikelihoods = (job: Job): Likelihood[] => JSON.parse(readFileSync(job.out, "utf8"));

const readPlaces = (job: Job): Places => JSON.parse(readFileSync(job.out, "utf8"));

/** A continuation by the full model at each place, drawn from its whole distribution. */
export function drawnJob(plan: ReaderLanguagePlan, full: Job, places: Job, out: string): Job {
  const { contextSize, promptLength, bounds } = plan;
  return {
    name: "the full model goes on",
    out,
    needs: [full, places],
    options: { contextSize, promptLength, bounds },
    run: async (signal, onProgress) => {
      const common = { contextSize, threads: 1, gpu: false, signal } as const;
      await using pair = await loadPair({ ...common, prefill: { model: full.out } });
      const asked = readPlaces(places);
      const drawn: (readonly number[])[] = [];
      for (const [place, at] of asked.places.entries()) {
        await using session = await pair.createSession();
        const { tokens } = await session.generate(promptOf(asked, at, promptLength), {
          ...{ temperature: 1, topK: 0, topP: 1, minP: 0, ignoreEos: true, deterministic: true },
          ...{ seed: place, maxTokens: bounds.at(-1), signal },
        });
        drawn.push(tokens);
        onProgress(drawn.length / asked.places.length);
      }
      await put(out, JSON.stringify(drawn), signal);
    },
  };
}

/** @param row who of the two reads and writes */
export function likelihoodJob(
  name: string,
  plan: ReaderLanguagePlan,
  { reader, adapter, writer }: Contestant,
  row: ScoreRow,
  { places, drawn }: { readonly places: Job; readonly drawn: Job },
  out: string,
): Job {
  const { contextSize, promptLength, bounds } = plan;
  const models = [reader, adapter, writer].filter((job) => job !== undefined);
  return {
    name: `measured: ${name}`,
    out,
    needs: [...models, places, drawn],
    options: { contextSize, promptLength, bounds, row },
    run: async (signal, onProgress) => {
      const common = { contextSize, threads: 1, gpu: false, signal } as const;
      await using pair = await loadPair({
        ...common,
        prefill: { model: (reader ?? writer).out, ...(adapter && { adapters: [{ file: adapter.out }] }) },
        decode: { model: writer.out },
      });
      const asked = readPlaces(places);
      const own = JSON.parse(readFileSync(drawn.out, "utf8")) as number[][];
      const found: Likelihood[] = [];
      for (const [place, at] of asked.places.entries()) {
        const continuations = [at.behind, own[place] ?? []];
        const { responses } = await pair.score(promptOf(asked, at, promptLength), continuations, {
          rows: [row],
          signal,
        });
        const [text = [], drawn = []] = responses.map(({ rows }) => sumsOf(rows[0]?.logProbs ?? [], bounds));
        found.push({ text, drawn });
        onProgress(found.length / asked.places.length);
      }
      await put(out, JSON.stringify(found), signal);
    },
  };
}
