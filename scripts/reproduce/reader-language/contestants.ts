/** Who is measured, and the jobs that make them, beside the models of `--language`: each side of each pair trained. */

import { join } from "node:path";
import type { HealOptions } from "../../../lib/index.js";
import type { Contestant } from "../answers.js";
import { type Job, put } from "../jobs.js";
import type { Corpus } from "../language/corpus.js";
import type { LanguageModels } from "../language/models.js";
import { drawPlaces, healLines, TokenizedCorpus } from "../language/texts.js";
import { training } from "../model-jobs.js";
import { percent } from "../report.js";
import { drawnJob, likelihoodJob } from "./measure.js";
import type { ReaderLanguagePlan, ReaderWriter, TrainedWay } from "./plan.js";

export type ReaderWay = "alone" | "untrained" | TrainedWay;

/** A row of the table: a file of likelihoods for each seed. */
export interface ReaderLanguageRow {
  readonly writer: string;
  readonly way: ReaderWay;
  readonly measured: readonly Job[];
}

export interface ReaderLanguageContestants {
  readonly full: Job;
  readonly rows: readonly ReaderLanguageRow[];
  /** All of `measured`, in the order in which they tell most. */
  readonly wanted: readonly Job[];
}

export const writerName = (writer: ReaderWriter): string =>
  "type" in writer ? writer.type : `${percent(writer.ratio)}% pruned`;

export function readerLanguageContestants(
  plan: ReaderLanguagePlan,
  corpus: Corpus,
  { full, writers }: LanguageModels,
  folder: string,
): ReaderLanguageContestants {
  const place = (name: string) => join(folder, `reader-${name}`);
  const { steps, batch, prompt, response, promptLength, places: count, bounds } = plan;
  const examples = steps * batch;
  const behind = bounds.at(-1) ?? 0;
  const texts = (
    [name, file]: readonly [string, string],
    documents: Corpus["training"],
    options: object,
    content: (tokens: TokenizedCorpus) => string | Iterable<string>,
  ): Job => ({
    name,
    out: place(file),
    needs: [full],
    options: { corpus: corpus.name, ...options },
    run: async (signal) => {
      await using tokens = await TokenizedCorpus.open(full.out, documents, signal);
      await put(place(file), content(tokens), signal);
    },
  });
  const data = texts(
    ["what readers learn from", "data.jsonl"],
    corpus.training,
    { examples, prompt, response },
    (tokens) => healLines(tokens, examples, prompt, response),
  );
  const wanted = { count, promptLength, behind };
  const places = texts(["places to go on from", "places.json"], corpus.heldOut, wanted, (tokens) =>
    JSON.stringify(drawPlaces(tokens, corpus.heldOut, count, promptLength, behind)),
  );
  const drawn = drawnJob(plan, full, places, place("drawn.json"));
  const asked = { places, drawn };
  const fullRow = likelihoodJob("the full model", plan, { writer: full }, "prefill", asked, place("full.json"));

  const pairs = plan.writers.map((writer): readonly ReaderLanguageRow[] => {
    const isAsked = ({ kind, type, ratio }: LanguageModels["writers"][number]) =>
      "type" in writer ? type === writer.type : kind === "pruned" && ratio === writer.ratio;
    const job = writers.find(isAsked)?.job;
    const name = writerName(writer);
    if (!job) throw new RangeError(`the models of English have no writer ${name}`);
    const file = "type" in writer ? writer.type : String(writer.ratio);
    const pair = { plan, name, file, full, writer: job, data, place };
    const measured = (way: ReaderWay, who: Contestant, seed?: number) => {
      const [label, suffix] = seed === undefined ? ["", ""] : [`, seed ${seed}`, `-${seed}`];
      const row = way === "alone" ? "decode" : "two-stage";
      return likelihoodJob(`${name}, ${way}${label}`, plan, who, row, asked, place(`${way}-${file}${suffix}.json`));
    };
    const untrained = { reader: full, writer: job };
    return [
      ...(["alone", "untrained"] as const).map((way) => ({
        writer: name,
        way,
        measured: [measured(way, untrained)],
      })),
      ...writer.trained.map((way) => ({
        writer: name,
        way,
        measured: writer.seeds.map((seed) => measured(way, trainedPair(pair, way, seed), seed)),
      })),
    ];
  });
  const order = pairs.flatMap((rows) => {
    const most = Math.max(...rows.map(({ measured }) => measured.length));
    return Array.from({ length: most }, (_, seed) => rows.flatMap(({ measured }) => measured.slice(seed, seed + 1)));
  });
  return { full: fullRow, rows: pairs.flat(), wanted: [fullRow, ...order.flat()] };
}

interface PairParts {
  readonly plan: ReaderLanguagePlan;
  readonly name: string;
  readonly file: string;
  readonly full: Job;
  readonly writer: Job;
  readonly data: Job;
  place(name: string): string;
}

/** A pair of which one side is trained, or both. */
function trainedPair(
  { plan, name, file, full, writer, data, place }: PairParts,
  way: TrainedWay,
  seed: number,
): Contestant {
  const trained = (options: Partial<HealOptions>): Job =>
    training(`${way} for ${name}, seed ${seed}`, place(`${way}-${file}-${seed}.gguf`), [full, writer, data], {
      ...{ full: full.out, student: writer.out, data: data.out, contextSize: plan.contextSize },
      ...{ maxSteps: plan.steps, batchSize: plan.batch, learningRate: plan.learningRate, warmUp: 0.05, threads: 1 },
      seed,
      ...options,
    });
  const readerLora = { rank: plan.rank };
  if (way === "adapter") return { reader: full, adapter: trained({ train: "reader", readerLora }), writer };
  if (way === "weights") return { reader: trained({ train: "reader", readerLora: false }), writer };
  if (way === "writer") return { reader: full, writer: trained({}) };
  const readerOut = place(`both-reader-${file}-${seed}.gguf`);
  const both = trained({ train: "both", readerOut, readerLora });
  // Written by the same training, before its own file.
  const adapter: Job = {
    name: `${both.name}: reader`,
    out: readerOut,
    needs: [both],
    options: {},
    run: async () => {},
  };
  return { reader: full, adapter, writer: both };
}
