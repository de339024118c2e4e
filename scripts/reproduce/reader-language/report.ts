/** The outcome: perplexity and divergence of every row, and what they come to beside the untrained pair, as tables. */

import { bootstrap, type Estimate } from "../../../lib/eval/bootstrap.js";
import type { Job } from "../jobs.js";
import type { Table } from "../tables.js";
import type { ReaderLanguageContestants, ReaderWay } from "./contestants.js";
import { type Likelihood, readLikelihoods } from "./measure.js";
import type { ReaderLanguagePlan } from "./plan.js";

export interface ReaderLanguageScores {
  /** Of the texts' own continuations. */
  readonly perplexity: Estimate | undefined;
  /** Of each seed. */
  readonly perplexities: readonly number[];
  /** KL from the untouched full model, in nats a token, over what that has drawn. */
  readonly divergence: Estimate | undefined;
  /** The same over the first part of a continuation. */
  readonly early: Estimate | undefined;
  /** `divergence` less that of the same writer behind the untrained reader, place by place. */
  readonly change: Estimate | undefined;
}

export interface ReaderLanguageOutcome {
  readonly plan: ReaderLanguagePlan;
  readonly full: ReaderLanguageScores;
  readonly rows: readonly {
    readonly writer: string;
    readonly way: ReaderWay;
    readonly scores: ReaderLanguageScores;
  }[];
}

export async function readerLanguageOutcome(
  plan: ReaderLanguagePlan,
  { full, rows }: Pick<ReaderLanguageContestants, "full" | "rows">,
): Promise<ReaderLanguageOutcome> {
  const scored = [];
  for (const { writer, way, measured } of rows) {
    const untrained = rows.find((row) => row.way === "untrained" && row.writer === writer)?.measured ?? [];
    scored.push({ writer, way, scores: await scoresOf(plan, full, measured, untrained) });
  }
  return { plan, full: await scoresOf(plan, full, [full], [full]), rows: scored };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

async function scoresOf(
  { bounds, resamples }: ReaderLanguagePlan,
  full: Job,
  measured: readonly Job[],
  untrained: readonly Job[],
): Promise<ReaderLanguageScores> {
  const [first = 0, all = 0] = [bounds[0], bounds.at(-1)];
  const standard = readLikelihoods(full);
  const before = untrained.flatMap((job) => readLikelihoods(job));
  const runs = measured.map(readLikelihoods);
  /** The mean over the seeds, at a place. */
  const mean = (place: number, of: (likelihood: Likelihood) => number) =>
    sum(runs.map((run) => of(run[place] as Likelihood))) / runs.length;
  // Every continuation has the same length, so that means over the places need no weights.
  const columns = standard.map((own, place) => {
    const drawn = mean(place, (likelihood) => sum(likelihood.drawn));
    return [
      mean(place, ({ text }) => sum(text)) / all,
      (sum(own.drawn) - drawn) / all,
      ((own.drawn[0] ?? 0) - mean(place, (likelihood) => likelihood.drawn[0] ?? 0)) / first,
      (sum(before[place]?.drawn ?? []) - drawn) / all,
      1,
    ];
  });
  const ofColumn = (column: number) => (sums: Float64Array) => (sums[column] ?? 0) / (sums[4] ?? 0);
  const [perplexity, divergence, early, change] = await bootstrap(
    { values: Float64Array.from(columns.flat()), width: 5 },
    [(sums) => Math.exp(-ofColumn(0)(sums)), ofColumn(1), ofColumn(2), ofColumn(3)],
    { confidence: 0.95, resamples, seed: 1 },
  );
  const perplexities = runs.map((run) => Math.exp(-sum(run.map(({ text }) => sum(text))) / run.length / all));
  return { perplexity, perplexities, divergence, early, change };
}

const wayNames: Readonly<Record<ReaderWay, string>> = {
  alone: "writer alone, untrained",
  untrained: "two-stage, untrained",
  adapter: "two-stage, reader trained (adapter)",
  weights: "two-stage, reader trained (all weights)",
  writer: "two-stage, writer trained",
  both: "two-stage, both trained (reader: adapter)",
};

const cell = (estimate: Estimate | undefined, digits: number, sign = ""): string => {
  if (!estimate) return "";
  const { value, low, high } = estimate;
  const told = (figure: number) => `${figure > 0 ? sign : ""}${figure.toFixed(digits)}`;
  return low === undefined || high === undefined ? told(value) : `${told(value)} [${told(low)}, ${told(high)}]`;
};

const range = (values: readonly number[]) => `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;

export function readerLanguageTables({ plan, full, rows }: ReaderLanguageOutcome): Table[] {
  const [first, all] = [plan.bounds[0], plan.bounds.at(-1)];
  return [
    {
      title: `Trained for ${plan.steps} steps of ${plan.batch} [95% interval over ${plan.places} places]; the full model's own perplexity: ${cell(full.perplexity, 2)}`,
      head: [
        "writer",
        "who",
        "seeds",
        `perplexity of the texts (${all} tokens)`,
        "over the seeds",
        "KL from the full model",
        `KL, first ${first} tokens`,
        "KL less that of two-stage, untrained",
      ],
      rows: rows.map(({ writer, way, scores }) => {
        const { perplexities } = scores;
        const trained = way !== "alone" && way !== "untrained";
        return [
          writer,
          wayNames[way],
          trained ? `${perplexities.length}` : "",
          cell(scores.perplexity, 2),
          perplexities.length > 1 ? range(perplexities) : "",
          cell(scores.divergence, 3),
          cell(scores.early, 3),
          way === "untrained" ? "" : cell(scores.change, 4, "+"),
        ];
      }),
    },
  ];
}
