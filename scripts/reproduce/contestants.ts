/** Who is asked: the rows of the table, and the points of the curve over steps of healing. */

import { join } from "node:path";
import { answersJob } from "./answers.js";
import type { Job } from "./jobs.js";
import type { Models, SmallModel } from "./models.js";
import type { Plan } from "./plan.js";

/** A row: one contestant with a file of answers for each seed. */
export interface Row {
  readonly name: string;
  /** Absent for the full model. */
  readonly ratio?: number;
  readonly answers: readonly Job[];
}

/** A point of the curve. */
export interface Point {
  readonly kind: "overfill" | "sft";
  readonly ratio: number;
  readonly steps: number;
  readonly answers: readonly Job[];
}

export interface Contestants {
  readonly rows: readonly Row[];
  readonly curve: readonly Point[];
}

export const rowNames = {
  full: "full model alone",
  pruned: "pruned, untrained, alone",
  prunedTwoStage: "pruned, untrained, two-stage",
  sft: "pruned + sft, alone",
  overfill: "OverFill, two-stage",
  refresh: (interval: number) => `OverFill, two-stage, refresh every ${interval}`,
  refreshHealed: (interval: number) => `OverFill healed with refreshes, refresh every ${interval}`,
  demo: "demo pair, two-stage",
  demoAlone: "demo pair, decode model alone",
  scratch: "same size from scratch, same tokens",
  scratch4: "same size from scratch, 4x the tokens",
} as const;

export function contestantsOf(plan: Plan, { full, demo, small }: Models, folder: string): Contestants {
  const ask = (name: string, writer: Job, reader?: Job, refreshInterval?: number): Job =>
    answersJob(
      `answers: ${name}`,
      { writer, ...(reader && { reader }), ...(refreshInterval && { refreshInterval }) },
      plan.questions,
      plan.contextSize,
      join(folder, `answers-${name.replaceAll(/[ ,]+/g, "-")}.jsonl`),
    );
  const label = ({ origin, ratio, steps, seed }: SmallModel) =>
    [origin, ratio, ...(seed === undefined ? [] : [steps, seed])].join(" ");
  const alone = (model: SmallModel) => ask(`${label(model)} alone`, model.job);
  const twoStage = (model: SmallModel, interval?: number) =>
    ask(`${label(model)} two-stage${interval ? ` refresh ${interval}` : ""}`, model.job, full, interval);
  const of = (ratio: number, origin: SmallModel["origin"], steps?: number) =>
    small.filter(
      (model) => model.ratio === ratio && model.origin === origin && (steps === undefined || model.steps === steps),
    );

  const rows = plan.ratios.flatMap((ratio): Row[] => {
    const row = (name: string, answers: readonly Job[]): Row => ({ name, ratio, answers });
    const overfill = of(ratio, "overfill", plan.tableSteps);
    return [
      row(rowNames.pruned, of(ratio, "pruned").map(alone)),
      row(
        rowNames.prunedTwoStage,
        of(ratio, "pruned").map((model) => twoStage(model)),
      ),
      row(rowNames.scratch, of(ratio, "scratch").map(alone)),
      row(rowNames.scratch4, of(ratio, "scratch 4x").map(alone)),
      row(rowNames.sft, of(ratio, "sft", plan.tableSteps).map(alone)),
      row(
        rowNames.overfill,
        overfill.map((model) => twoStage(model)),
      ),
      ...plan.refreshIntervals.map((interval) =>
        row(
          rowNames.refresh(interval),
          overfill.map((model) => twoStage(model, interval)),
        ),
      ),
      row(
        rowNames.refreshHealed(plan.healRefreshInterval),
        of(ratio, "overfill refreshed").map((model) => twoStage(model, plan.healRefreshInterval)),
      ),
    ];
  });
  const curve = plan.ratios.flatMap((ratio) =>
    plan.healSteps.flatMap((steps): Point[] => [
      { kind: "overfill", ratio, steps, answers: of(ratio, "overfill", steps).map((model) => twoStage(model)) },
      { kind: "sft", ratio, steps, answers: of(ratio, "sft", steps).map(alone) },
    ]),
  );
  const demoRows: Row[] = [
    { name: rowNames.demo, ratio: demo.ratio, answers: [twoStage(demo)] },
    { name: rowNames.demoAlone, ratio: demo.ratio, answers: [alone(demo)] },
  ];
  return { rows: [{ name: rowNames.full, answers: [ask("full alone", full)] }, ...rows, ...demoRows], curve };
}
