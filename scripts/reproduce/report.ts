/** The outcome: scores of every row and point, as JSON, as Markdown tables and as text for the terminal. */

import { readAnswers } from "./answers.js";
import type { Contestants } from "./contestants.js";
import { type Figure, figureOf, type Scores, scoresOf } from "./figures.js";
import type { Plan } from "./plan.js";
import { type Table, toMarkdown as tablesToMarkdown, toText as tablesToText } from "./tables.js";
import { families } from "./tasks.js";

export interface ScoredRow {
  readonly name: string;
  readonly ratio?: number;
  readonly scores: Scores;
}

export interface ScoredPoint {
  readonly kind: "overfill" | "sft";
  readonly ratio: number;
  readonly steps: number;
  /** Right answers to held-out questions. */
  readonly exact: Figure;
}

/** How much better OverFill is than the pruned model healed alone, as the paper counts it: the gain over the latter's score. */
export interface Improvement {
  readonly ratio: number;
  readonly steps: number;
  readonly overfill: number;
  readonly sft: number;
  /** 0.8: by 80%. Absent where the baseline has no right answer. */
  readonly relative?: number;
}

export interface Outcome {
  readonly plan: Plan;
  readonly rows: readonly ScoredRow[];
  readonly curve: readonly ScoredPoint[];
  readonly improvements: readonly Improvement[];
}

export async function outcomeOf(plan: Plan, { rows, curve }: Contestants): Promise<Outcome> {
  const scored: ScoredRow[] = [];
  for (const { name, ratio, answers } of rows)
    scored.push({
      name,
      ...(ratio !== undefined && { ratio }),
      scores: await scoresOf(answers.map(readAnswers), plan.resamples),
    });
  const points: ScoredPoint[] = [];
  for (const { kind, ratio, steps, answers } of curve) {
    const runs = answers.map((job) => readAnswers(job).filter(({ split }) => split === "heldOut"));
    const exact = await figureOf(runs, ({ right, given }) => (right === given ? 1 : 0), plan.resamples);
    points.push({ kind, ratio, steps, exact });
  }
  return { plan, rows: scored, curve: points, improvements: improvementsOf(points) };
}

function improvementsOf(points: readonly ScoredPoint[]): Improvement[] {
  return points.flatMap((point) => {
    const baseline = points.find(
      ({ kind, ratio, steps }) => kind === "sft" && ratio === point.ratio && steps === point.steps,
    );
    if (point.kind !== "overfill" || !baseline) return [];
    const [overfill, sft] = [point.exact.value, baseline.exact.value];
    const { ratio, steps } = point;
    return [{ ratio, steps, overfill, sft, ...(sft > 0 && { relative: overfill / sft - 1 }) }];
  });
}

export const percent = (value: number) => `${(100 * value).toFixed(1)}`;
export const withInterval = ({ value, low, high }: Figure) =>
  low === undefined || high === undefined ? percent(value) : `${percent(value)} [${percent(low)}, ${percent(high)}]`;
export const withSeeds = ({ least, largest }: Figure) =>
  least === largest ? percent(least) : `${percent(least)} to ${percent(largest)}`;

function tablesOf({ plan, rows, curve, improvements }: Outcome): Table[] {
  const label = ({ name, ratio }: ScoredRow) => (ratio === undefined ? name : `${name} (${percent(ratio)}% pruned)`);
  const lengths = rows[0]?.scores.lengths ?? [];
  return [
    {
      title: `Right answers in percent, healed for ${plan.tableSteps} steps [95% interval over the questions]`,
      head: ["who", "held-out questions", "over the seeds", "F1", "questions as in training"],
      rows: rows.map((row) => [
        label(row),
        withInterval(row.scores.exact.heldOut),
        withSeeds(row.scores.exact.heldOut),
        percent(row.scores.f1.heldOut.value),
        withInterval(row.scores.exact.seen),
      ]),
    },
    {
      title: "The same by family of tasks, held-out questions",
      head: ["who", ...families],
      rows: rows.map((row) => [label(row), ...families.map((family) => percent(row.scores.families[family].value))]),
    },
    {
      title: "The same by words of the answer, held-out questions",
      head: ["who", ...lengths.map(({ words, questions }) => `${words} (${questions})`)],
      rows: rows.map((row) => [label(row), ...row.scores.lengths.map(({ exact }) => percent(exact.value))]),
    },
    {
      title: "Right answers to held-out questions over the steps of healing",
      head: ["pruned", "steps", "OverFill, two-stage", "pruned + sft, alone", "relative improvement"],
      rows: improvements.map(({ ratio, steps, relative }) => {
        const of = (kind: ScoredPoint["kind"]) =>
          curve.find((point) => point.kind === kind && point.ratio === ratio && point.steps === steps);
        const [two, alone] = [of("overfill"), of("sft")];
        return [
          `${percent(ratio)}%`,
          String(steps),
          two ? withInterval(two.exact) : "",
          alone ? withInterval(alone.exact) : "",
          relative === undefined ? "no right answer to compare with" : `${percent(relative)}%`,
        ];
      }),
    },
  ];
}

export const toMarkdown = (outcome: Outcome): string => tablesToMarkdown(tablesOf(outcome));
export const toText = (outcome: Outcome): string => tablesToText(tablesOf(outcome));
