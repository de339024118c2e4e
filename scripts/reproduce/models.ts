/** The jobs that make the models: the full one, pruned ones, healed ones in both ways, and ones from scratch. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createModel, inspect } from "../../lib/index.js";
import { calibrationText, copyingLines, fullMix, taskLines, tokenizerFile } from "./data.js";
import { type Job, put } from "./jobs.js";
import { prunedModel, training } from "./model-jobs.js";
import type { Plan, Training } from "./plan.js";

/** How the small models came to be; all but the first by training. `demo` is `overfill` on the full model's texts. */
export type Origin = "pruned" | "overfill" | "overfill refreshed" | "sft" | "scratch" | "scratch 4x" | "demo";

export interface SmallModel {
  readonly origin: Origin;
  readonly ratio: number;
  readonly steps: number;
  /** Of the order of the data. Absent for the pruned one. */
  readonly seed?: number;
  readonly job: Job;
}

export interface Models {
  readonly full: Job;
  /** The student of the pair to be shipped. */
  readonly demo: SmallModel;
  readonly small: readonly SmallModel[];
}

export function modelJobs(plan: Plan, folder: string): Models {
  const inFolder = (name: string) => join(folder, name);
  const texts = (name: string, count: number, content: (count: number) => Iterable<string>): Job => ({
    name,
    out: inFolder(name),
    needs: [],
    options: { count },
    run: (signal) => put(inFolder(name), content(count), signal),
  });
  const tokenizer: Job = {
    name: "tokenizer",
    out: inFolder("tokenizer.gguf"),
    needs: [],
    options: {},
    run: () => writeFile(inFolder("tokenizer.gguf"), tokenizerFile()),
  };
  const copying = texts("copying.jsonl", exampleCount(plan.copying), copyingLines);
  const tasks = texts("full.jsonl", exampleCount(plan.full), (count) => taskLines("full", count, fullMix));
  const mostSteps = Math.max(...plan.healSteps, 4 * plan.tableSteps);
  const responses = texts("heal.jsonl", mostSteps * plan.heal.batch, (count) => taskLines("heal", count));
  const calibration = texts("calibration.txt", 1000, calibrationText);

  const untrained: Job = {
    name: "the full model, untrained",
    out: inFolder("full-0.gguf"),
    needs: [tokenizer],
    options: { ...plan.shape, contextSize: plan.contextSize },
    run: async (signal) => {
      await createModel({
        ...plan.shape,
        contextSize: plan.contextSize,
        tokenizer: tokenizer.out,
        out: inFolder("full-0.gguf"),
        name: "overfill demo",
        signal,
      });
    },
  };
  const copier = (who: string, before: Job, out: string, threads: number): Job =>
    training(`${who} learns to copy`, inFolder(out), [before, copying], {
      ...stepsOf({ ...plan.copying, threads }),
      mode: "full",
      student: before.out,
      data: copying.out,
      contextSize: plan.contextSize,
      schedule: "constant",
      warmUp: 0.05,
    });
  const warm = copier("the full model", untrained, "full-copying.gguf", plan.copying.threads ?? 1);
  const full = training("the full model learns its tasks", inFolder("full.gguf"), [warm, tasks], {
    ...stepsOf(plan.full),
    mode: "full",
    student: warm.out,
    data: tasks.out,
    contextSize: plan.contextSize,
    rateFloor: 0.05,
    warmUp: 0.02,
    type: "f16",
  });

  const healing = (ratio: number, start: Job, origin: Origin, steps: number, seed: number): SmallModel => {
    const out = inFolder(`${origin.replace(" ", "-")}-${ratio}-${steps}-${seed}.gguf`);
    const two = origin === "overfill" || origin === "overfill refreshed" || origin === "demo";
    const data = origin === "demo" ? tasks : responses;
    const job = training(
      `${origin}, ${ratio} pruned, ${steps} steps, seed ${seed}`,
      out,
      two ? [start, data, full] : [start, data],
      {
        ...stepsOf({ ...plan.heal, steps }),
        mode: two ? "overfill" : "sft",
        ...(two && { full: full.out }),
        ...(origin === "overfill refreshed" && { refreshInterval: plan.healRefreshInterval }),
        student: start.out,
        data: data.out,
        contextSize: plan.contextSize,
        warmUp: 0.05,
        seed,
      },
    );
    return { origin, ratio, steps, seed, job };
  };

  const small = plan.ratios.flatMap((ratio): SmallModel[] => {
    const pruned = prunedModel(full, calibration, ratio, inFolder(`pruned-${ratio}.gguf`), 128);
    const random = freshModel(pruned, inFolder(`scratch-${ratio}-0.gguf`));
    // As the full model did, which has handed down what it learned from it; the tasks' own steps are what is compared.
    const fresh = copier(`a small model, ${ratio} pruned, from scratch`, random, `scratch-${ratio}-copying.gguf`, 1);
    const trained = plan.seeds.flatMap((seed) => [
      ...plan.healSteps.flatMap((steps) =>
        (["overfill", "sft"] as const).map((origin) => healing(ratio, pruned, origin, steps, seed)),
      ),
      healing(ratio, pruned, "overfill refreshed", plan.tableSteps, seed),
      healing(ratio, fresh, "scratch", plan.tableSteps, seed),
      healing(ratio, fresh, "scratch 4x", 4 * plan.tableSteps, seed),
    ]);
    return [{ origin: "pruned", ratio, steps: 0, job: pruned }, ...trained];
  });
  const [ratio = 0] = plan.ratios;
  const { job: start } = small.find((model) => model.origin === "pruned" && model.ratio === ratio) as SmallModel;
  const [seed = 1] = plan.seeds;
  return { full, demo: healing(ratio, start, "demo", plan.demoSteps, seed), small };
}

const exampleCount = ({ steps, batch }: Training) => steps * batch;

function stepsOf({ steps, batch, learningRate, threads = 1 }: Training) {
  return { maxSteps: steps, batchSize: batch, learningRate, threads };
}

/** The pruned model's shape with random weights. */
function freshModel(pruned: Job, out: string): Job {
  return {
    name: `random weights in the shape of ${pruned.name}`,
    out,
    needs: [pruned],
    options: {},
    run: async (signal) => {
      const { prefill: shape } = await inspect({ prefill: { model: pruned.out } });
      await createModel({
        out,
        tokenizer: pruned.out,
        hiddenSize: shape.hiddenSize,
        feedForwardSize: shape.feedForwardSize,
        layers: shape.layers,
        heads: shape.heads,
        kvHeads: shape.kvHeads,
        headSize: shape.headSizeK,
        contextSize: shape.trainedContextSize,
        signal,
      });
    },
  };
}
