/** Who writes: the writers in groups, of which each has a file of samples for each seed, and a benchmark of its speed. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BenchReport, bench } from "../../../lib/index.js";
import { type Job, put } from "../jobs.js";
import { measureJob } from "./measure.js";
import type { LanguageModels, Writer } from "./models.js";
import type { LanguagePlan } from "./plan.js";
import { type Places, promptOf } from "./texts.js";

export interface Group {
  readonly name: string;
  /** For each seed. */
  readonly samples: readonly Job[];
  /** Of the first seed: the others are of the same shape. */
  readonly speed: Job;
  /** The model of the first seed. */
  readonly model: Job;
}

export interface LanguageContestants {
  /** The full model's own samples. */
  readonly full: Job;
  readonly groups: readonly Group[];
}

export function nameOf({ kind, type, ratio = 0 }: Pick<Writer, "kind" | "type" | "ratio">): string {
  const pruned = `${Math.round(100 * ratio)}% pruned`;
  if (kind === "quantised") return type ?? "";
  if (kind === "pruned") return pruned;
  return `${pruned}, ${kind === "sft" ? "sft" : "OverFill"}`;
}

export function contestantsOf(
  plan: LanguagePlan,
  { full, places, writers }: LanguageModels,
  folder: string,
): LanguageContestants {
  const groups = new Map<string, Writer[]>();
  for (const writer of writers) groups.set(nameOf(writer), [...(groups.get(nameOf(writer)) ?? []), writer]);
  return {
    full: measureJob(plan, full, places, undefined, join(folder, "samples-full.json")),
    groups: [...groups].map(([name, own]) => {
      const [first] = own as [Writer];
      const file = name.replaceAll(/[^\w.]+/g, "-");
      return {
        name,
        samples: own.map(({ job, seed = 1 }, first) => {
          const turn = own.length > 1 ? { first, of: own.length } : undefined;
          return measureJob(plan, full, places, job, join(folder, `samples-${file}-${seed}.json`), turn);
        }),
        speed: speedJob(plan, full, places, first.job, join(folder, `speed-${file}.json`)),
        model: first.job,
      };
    }),
  };
}

/** By the program that `overfill bench` is. Nothing else should run meanwhile. */
function speedJob(plan: LanguagePlan, full: Job, places: Job, writer: Job, out: string): Job {
  const { contextSize, promptLengths, bounds, refreshIntervals, acceptance, speedThreads } = plan;
  const options = { contextSize, promptLengths, bounds, refreshIntervals, acceptance, speedThreads };
  return {
    name: `speed: ${writer.name}`,
    out,
    needs: [full, places, writer],
    options,
    run: async (signal, onProgress) => {
      const asked = JSON.parse(readFileSync(places.out, "utf8")) as Places;
      const report = await bench({
        prefill: full.out,
        decode: writer.out,
        contextSize,
        // A few places are enough: what varies is the machine.
        prompts: promptLengths.flatMap((length) =>
          asked.places.slice(0, 2).map((place) => promptOf(asked, place, length)),
        ),
        maxTokens: Math.min(128, bounds.at(-1) ?? 0),
        // Likeliest continuations of so small a model go in circles, and drafts of circles are always right.
        temperature: 0.8,
        acceptances: [acceptance],
        refreshIntervals,
        threads: speedThreads,
        gpu: false,
        signal,
        onProgress: ({ stage, fraction }) => stage === "timing" && onProgress(fraction),
      });
      await put(out, JSON.stringify(report), signal);
    },
  };
}

export const readSpeed = (job: Job): BenchReport => JSON.parse(readFileSync(job.out, "utf8"));

export const bytesOf = (job: Job): number => statSync(job.out).size;
