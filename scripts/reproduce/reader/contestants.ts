/** Who is asked, and the jobs that make them: a pruned writer that nobody trained, and each side of the pair trained. */

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { HealOptions } from "../../../lib/index.js";
import { answersJob, type Contestant } from "../answers.js";
import { calibrationText, taskLines } from "../data.js";
import { type Job, put } from "../jobs.js";
import { prunedModel, training } from "../model-jobs.js";
import type { ReaderPlan } from "./plan.js";

/** A row of the table: a file of answers for each seed. */
export interface ReaderRow {
  readonly name: string;
  /** Of the writer. Absent: the full model alone. */
  readonly ratio?: number;
  readonly answers: readonly Job[];
}

export const readerRows = {
  full: "full model alone",
  alone: "writer alone, untrained",
  untrained: "two-stage, untrained",
  adapter: "two-stage, reader trained (adapter)",
  weights: "two-stage, reader trained (all weights)",
  writer: "two-stage, writer trained",
  both: "two-stage, both trained (reader: adapter)",
} as const;

/** @param model the full model: the reader */
export function readerContestants(plan: ReaderPlan, model: string, folder: string): readonly ReaderRow[] {
  const place = (name: string) => join(folder, name);
  const texts = (name: string, count: number, content: (count: number) => Iterable<string>): Job => ({
    name,
    out: place(name),
    needs: [],
    options: { count },
    run: (signal) => put(place(name), content(count), signal),
  });
  const full: Job = {
    name: "the full model",
    out: place("full.gguf"),
    needs: [],
    options: {},
    run: () => copyFile(model, place("full.gguf")),
  };
  const data = texts("train.jsonl", plan.steps * plan.batch, (count) => taskLines("heal", count));
  const calibration = texts("calibration.txt", 1000, calibrationText);
  const ask = (name: string, who: Contestant): Job =>
    answersJob(`answers: ${name}`, who, plan.questions, plan.contextSize, place(`answers-${name}.jsonl`));
  const rows = plan.ratios.flatMap((ratio) => {
    const writer = prunedModel(full, calibration, ratio, place(`writer-${ratio}.gguf`), 128);
    return rowsOf({ plan, ratio, full, writer, data, place, ask });
  });
  return [{ name: readerRows.full, answers: [ask("full", { writer: full })] }, ...rows];
}

/** What the rows of one writer are made of. */
interface Parts {
  readonly plan: ReaderPlan;
  readonly ratio: number;
  readonly full: Job;
  readonly writer: Job;
  readonly data: Job;
  place(name: string): string;
  ask(name: string, who: Contestant): Job;
}

function rowsOf({ plan, ratio, full, writer, data, place, ask }: Parts): readonly ReaderRow[] {
  const readerLora = { rank: plan.rank };
  const trained = (side: string, seed: number, options: Partial<HealOptions>): Job =>
    training(`${side}, ${ratio} pruned, seed ${seed}`, place(`${side}-${ratio}-${seed}.gguf`), [full, writer, data], {
      ...{ full: full.out, student: writer.out, data: data.out, contextSize: plan.contextSize },
      ...{ maxSteps: plan.steps, batchSize: plan.batch, learningRate: plan.learningRate, warmUp: 0.05, threads: 1 },
      seed,
      ...options,
    });
  const row = (name: string, answers: readonly Job[]): ReaderRow => ({ name, ratio, answers });
  const forSeeds = (name: string, contestant: (seed: number) => Contestant) =>
    plan.seeds.map((seed) => ask(`${name}-${ratio}-${seed}`, contestant(seed)));
  return [
    row(readerRows.alone, [ask(`alone-${ratio}`, { writer })]),
    row(readerRows.untrained, [ask(`untrained-${ratio}`, { reader: full, writer })]),
    row(
      readerRows.adapter,
      forSeeds("adapter", (seed) => {
        const adapter = trained("adapter", seed, { train: "reader", readerLora });
        return { reader: full, adapter, writer };
      }),
    ),
    row(
      readerRows.weights,
      forSeeds("weights", (seed) => ({
        reader: trained("weights", seed, { train: "reader", readerLora: false }),
        writer,
      })),
    ),
    row(
      readerRows.writer,
      forSeeds("writer", (seed) => ({ reader: full, writer: trained("writer", seed, {}) })),
    ),
    row(
      readerRows.both,
      forSeeds("both", (seed) => {
        const readerOut = place(`both-reader-${ratio}-${seed}.gguf`);
        const both = trained("both", seed, { train: "both", readerOut, readerLora });
        // Written by the same training, before its own file.
        const name = `${both.name}: reader`;
        const adapter: Job = { name, out: readerOut, needs: [both], options: {}, run: async () => {} };
        return { reader: full, adapter, writer: both };
      }),
    ),
  ];
}
