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
  const writer = prunedModel(full, calibration, plan.ratio, place("writer.gguf"), 128);

  const trained = (side: string, seed: number, options: Partial<HealOptions>, out = `${side}-${seed}.gguf`): Job =>
    training(`${side}, seed ${seed}`, place(out), [full, writer, data], {
      ...{ full: full.out, student: writer.out, data: data.out, contextSize: plan.contextSize },
      ...{ maxSteps: plan.steps, batchSize: plan.batch, learningRate: plan.learningRate, warmUp: 0.05, threads: 1 },
      seed,
      ...options,
    });
  const readerLora = { rank: plan.rank };
  const ask = (name: string, who: Contestant): Job =>
    answersJob(`answers: ${name}`, who, plan.questions, plan.contextSize, place(`answers-${name}.jsonl`));
  const forSeeds = (name: string, contestant: (seed: number) => Contestant) =>
    plan.seeds.map((seed) => ask(`${name}-${seed}`, contestant(seed)));

  return [
    { name: readerRows.full, answers: [ask("full", { writer: full })] },
    { name: readerRows.alone, answers: [ask("alone", { writer })] },
    { name: readerRows.untrained, answers: [ask("untrained", { reader: full, writer })] },
    {
      name: readerRows.adapter,
      answers: forSeeds("adapter", (seed) => {
        const adapter = trained("adapter", seed, { train: "reader", readerLora });
        return { reader: full, adapter, writer };
      }),
    },
    {
      name: readerRows.weights,
      answers: forSeeds("weights", (seed) => {
        const reader = trained("weights", seed, { train: "reader", readerLora: false });
        return { reader, writer };
      }),
    },
    {
      name: readerRows.writer,
      answers: forSeeds("writer-trained", (seed) => ({ reader: full, writer: trained("writer-trained", seed, {}) })),
    },
    {
      name: readerRows.both,
      answers: forSeeds("both", (seed) => {
        const readerOut = place(`both-reader-${seed}.gguf`);
        const both = trained("both", seed, { train: "both", readerOut, readerLora });
        // Written by the same training, before its own file.
        const adapter: Job = {
          name: `${both.name}: reader`,
          out: readerOut,
          needs: [both],
          options: {},
          run: async () => {},
        };
        return { reader: full, adapter, writer: both };
      }),
    },
  ];
}
