/**
 * Trained readers in miniature (Disaggregated Quantization, arXiv 2609.26333): a writer that has lost much, and what comes
 * of training the reader for it, the writer on it, or both, with the same tokens. The reader is the demo pair's full model,
 * which `npm run reproduce` makes.
 */

import { join } from "node:path";
import { readAnswers } from "../answers.js";
import { type Scores, scoresOf } from "../figures.js";
import { put } from "../jobs.js";
import { percent, withInterval, withSeeds } from "../report.js";
import { runToEnd } from "../run.js";
import { type Table, toMarkdown, toText } from "../tables.js";
import { families } from "../tasks.js";
import { type ReaderRow, readerContestants } from "./contestants.js";
import { type ReaderPlan, readerPlans } from "./plan.js";

const demo = join(import.meta.dirname, "..", "..", "..", "models", "demo-prefill.gguf");

export interface ReaderOutcome {
  readonly plan: ReaderPlan;
  readonly rows: readonly { readonly name: string; readonly ratio?: number; readonly scores: Scores }[];
}

export async function reproduceReader(name: keyof typeof readerPlans, folder: string, atOnce: number): Promise<void> {
  const plan = readerPlans[name];
  const rows = readerContestants(plan, demo, folder);
  await runToEnd(
    rows.flatMap(({ answers }) => answers),
    atOnce,
  );
  const outcome = await readerOutcome(plan, rows);
  const tables = readerTables(outcome);
  await put(join(folder, "reader.json"), `${JSON.stringify(outcome, null, 2)}\n`);
  await put(join(folder, "reader.md"), `${toMarkdown(tables)}\n`);
  console.log(toText(tables));
  console.log(`\nwritten: reader.json and reader.md in ${folder}`);
}

export async function readerOutcome(plan: ReaderPlan, rows: readonly ReaderRow[]): Promise<ReaderOutcome> {
  const scored = [];
  for (const { answers, ...who } of rows)
    scored.push({ ...who, scores: await scoresOf(answers.map(readAnswers), plan.resamples) });
  return { plan, rows: scored };
}

export function readerTables({ plan, rows }: ReaderOutcome): Table[] {
  const label = ({ name, ratio }: ReaderOutcome["rows"][number]) =>
    ratio === undefined ? name : `${name} (${percent(ratio)}% pruned)`;
  return [
    {
      title: `Right answers in percent, trained for ${plan.steps} steps [95% interval over the questions]`,
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
  ];
}
