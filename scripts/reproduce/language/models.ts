/** The jobs that make the models: the full one, itself in coarser types, and pruned ones, healed in both ways. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createModel, measureImportanceMatrix, type QuantizationType, quantize } from "../../../lib/index.js";
import { type Job, put } from "../jobs.js";
import { prunedModel, training } from "../model-jobs.js";
import type { Corpus } from "./corpus.js";
import type { LanguagePlan, TextTraining } from "./plan.js";
import { calibrationText, drawPlaces, healLines, plainText, TokenizedCorpus, tokenizerFile } from "./texts.js";

export type WriterKind = "quantised" | "pruned" | "sft" | "overfill";

/** A model that writes. */
export interface Writer {
  readonly kind: WriterKind;
  /** Of the quantised ones. */
  readonly type?: QuantizationType;
  /** Of the pruned ones: what went. */
  readonly ratio?: number;
  /** Of the healed ones: of the order of the data. */
  readonly seed?: number;
  readonly job: Job;
}

export interface LanguageModels {
  readonly full: Job;
  readonly places: Job;
  readonly writers: readonly Writer[];
}

/** @param mostThreads of a training that nothing else can be done beside */
export function languageModels(plan: LanguagePlan, corpus: Corpus, folder: string, mostThreads = 1): LanguageModels {
  const inFolder = (name: string) => join(folder, name);
  const job = (name: string, file: string, needs: readonly Job[], options: unknown, run: Job["run"]): Job => ({
    name,
    out: inFolder(file),
    needs,
    options,
    run,
  });
  /** A text that is made of the corpus' tokens. */
  const ofTokens = (
    name: string,
    file: string,
    options: unknown,
    documents: Corpus["training"],
    content: (tokens: TokenizedCorpus) => string | Iterable<string>,
  ): Job =>
    job(name, file, [untrained], { corpus: corpus.name, options }, async (signal) => {
      await using tokens = await TokenizedCorpus.open(untrained.out, documents, signal);
      await put(inFolder(file), content(tokens), signal);
    });

  const tokenizer = job("tokenizer", "tokenizer.gguf", [], { corpus: corpus.name, size: plan.vocabulary }, () =>
    writeFile(inFolder("tokenizer.gguf"), tokenizerFile(corpus, plan.vocabulary)),
  );
  const { shape, contextSize } = plan;
  const untrained = job(
    "the full model, untrained",
    "full-0.gguf",
    [tokenizer],
    { shape, contextSize },
    async (signal) => {
      const name = "English in miniature";
      await createModel({
        ...shape,
        contextSize,
        tokenizer: tokenizer.out,
        out: inFolder("full-0.gguf"),
        name,
        signal,
      });
    },
  );
  const text = job("the texts to learn from", "training.txt", [], { corpus: corpus.name }, () =>
    put(inFolder("training.txt"), plainText(corpus.training)),
  );
  const heldOut = job("the texts that are held out", "held-out.txt", [], { corpus: corpus.name }, () =>
    put(inFolder("held-out.txt"), plainText(corpus.heldOut)),
  );
  const onText = ({ steps, batch, window, learningRate, threads = 1 }: TextTraining) => ({
    mode: "full" as const,
    maxSteps: steps,
    batchSize: batch,
    contextSize: window,
    learningRate,
    threads: Math.min(threads, mostThreads),
    weightDecay: 0.1,
    // Its own examples are the same each time: the loss that is held out can be followed in the log.
    evalInterval: Math.max(1, Math.round(steps / 10)),
    maxEvalExamples: 16,
  });
  const learned = training("the full model learns English", inFolder("full-short.gguf"), [untrained, text, heldOut], {
    ...onText(plan.short),
    student: untrained.out,
    data: text.out,
    evalData: heldOut.out,
    rateFloor: 0.2,
    warmUp: 0.03,
  });
  const full = training("the full model learns whole pages", inFolder("full.gguf"), [learned, text, heldOut], {
    ...onText(plan.long),
    student: learned.out,
    data: text.out,
    evalData: heldOut.out,
    warmUp: 0.05,
    type: "f16",
  });

  const { calibrationTokens, healPrompt, healResponse, heal: healing, promptLengths, bounds } = plan;
  const calibration = ofTokens("calibration", "calibration.txt", { calibrationTokens }, corpus.training, (tokens) =>
    calibrationText(tokens, calibrationTokens),
  );
  const count = healing.steps * healing.batch;
  const responses = ofTokens(
    "healing",
    "healing.jsonl",
    { count, healPrompt, healResponse },
    corpus.training,
    (tokens) => healLines(tokens, count, healPrompt, healResponse),
  );
  const [before = 0, behind = 0] = [promptLengths.at(-1), bounds.at(-1)];
  const wanted = { count: plan.places, before, behind };
  const places = ofTokens("places", "places.json", wanted, corpus.heldOut, (tokens) =>
    JSON.stringify(drawPlaces(tokens, corpus.heldOut, plan.places, before, behind)),
  );

  const common = { threads: 1, gpu: false } as const;
  const window = Math.min(256, contextSize);
  const matrix = job("importance matrix", "full.imatrix.gguf", [full, calibration], { window }, async (signal) => {
    const out = inFolder("full.imatrix.gguf");
    await measureImportanceMatrix({ model: full.out, text: calibration.out, window, out, ...common, signal });
  });
  const quantised = plan.types.map((type): Writer => {
    const file = `full-${type}.gguf`;
    const run = async (signal: AbortSignal) => {
      const options = { type, importance: matrix.out, threads: 1, signal };
      const { fallbacks } = await quantize({ model: full.out, out: inFolder(file), ...options });
      if (fallbacks.length > 0) throw new Error(`${fallbacks.length} tensors are not what ${type} says`);
    };
    return { kind: "quantised", type, job: job(`the full model as ${type}`, file, [full, matrix], { type }, run) };
  });
  const pruned = plan.ratios.flatMap((ratio): Writer[] => {
    const start = prunedModel(full, calibration, ratio, inFolder(`pruned-${ratio}.gguf`), window);
    const healed = plan.seeds.flatMap((seed) =>
      (["sft", "overfill"] as const).map((kind): Writer => {
        const two = kind === "overfill";
        const options = {
          mode: kind,
          ...(two && { full: full.out }),
          student: start.out,
          data: responses.out,
          maxSteps: healing.steps,
          batchSize: healing.batch,
          learningRate: healing.learningRate,
          threads: healing.threads ?? 1,
          contextSize,
          warmUp: 0.05,
          seed,
        };
        const needs = two ? [start, responses, full] : [start, responses];
        const name = `${kind}, ${ratio} pruned, seed ${seed}`;
        return { kind, ratio, seed, job: training(name, inFolder(`${kind}-${ratio}-${seed}.gguf`), needs, options) };
      }),
    );
    return [{ kind: "pruned", ratio, job: start }, ...healed];
  });
  return { full, places, writers: [...quantised, ...pruned] };
}
