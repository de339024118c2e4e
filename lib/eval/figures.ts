/** The figures of all rows and their comparisons, with intervals from one bootstrap that all of them share. */

import { type BootstrapOptions, bootstrap, type Estimate, type Statistic } from "./bootstrap.js";
import type { PositionRange } from "./metrics/likelihood.js";
import type { Metric, MetricName } from "./metrics/metric.js";
import { OutcomeTable } from "./outcome-table.js";
import type { Figures, PositionFigures, RowComparison, RowReport } from "./report.js";
import { type EvaluatedRow, usesBoth } from "./rows.js";

/** Metrics by name, in the order in which they are shown. */
export type NamedMetrics<Outcome> = readonly (readonly [name: MetricName, metric: Metric<Outcome>])[];

/** A range of positions with the metrics of the responses' tokens in it. */
export interface PositionMetrics<Outcome> extends PositionRange {
  readonly tokens: number;
  readonly agreement: Metric<Outcome>;
  readonly divergence: Metric<Outcome>;
}

export interface AllFigures {
  readonly rows: readonly Pick<RowReport, "row" | "figures" | "positions">[];
  readonly comparisons: readonly RowComparison[];
}

/** Gives an estimate once there is one. */
type Later = () => Estimate | undefined;

/** Collects what rows say about examples, and makes figures of it. */
export class FigureTable<Outcome> {
  readonly #table: OutcomeTable<Outcome>;

  constructor(
    readonly rows: readonly EvaluatedRow[],
    nExamples: number,
    readonly metrics: NamedMetrics<Outcome>,
    readonly positions: readonly PositionMetrics<Outcome>[] = [],
  ) {
    const all = [
      ...metrics.map(([, metric]) => metric),
      ...positions.flatMap(({ agreement, divergence }) => [agreement, divergence]),
    ];
    this.#table = new OutcomeTable(rows.length, nExamples, all);
  }

  /** @param row by index, as is the example */
  set(row: number, example: number, outcome: Outcome): void {
    this.#table.set(row, example, outcome);
  }

  /** Rejects with the signal's reason. */
  async estimate(options: BootstrapOptions): Promise<AllFigures> {
    const statistics: Statistic[] = [];
    let estimates: readonly (Estimate | undefined)[] = [];
    const ask = (statistic: Statistic): Later => {
      const index = statistics.push(statistic) - 1;
      return () => estimates[index];
    };
    const rows = this.rows.map((row, i) => ({
      row,
      figures: this.#askEach((metric) => ask(this.#table.statistic(i, metric))),
      positions: this.#askPositions(i, ask),
    }));
    const comparisons = this.rows.flatMap((row, i) =>
      usesBoth(row) ? (["decode", "prefill"] as const).map((against) => this.#askComparison(i, against, ask)) : [],
    );
    estimates = await bootstrap(this.#table.numbers, statistics, options);
    return {
      rows: rows.map(({ row, figures, positions }) => ({
        row,
        figures: figures(),
        ...(positions.length > 0 && { positions: positions.flatMap((position) => position() ?? []) }),
      })),
      comparisons: comparisons.map((comparison) => comparison()),
    };
  }

  #askEach(askMetric: (metric: number) => Later | undefined): () => Figures {
    const later = this.metrics.map(([name], metric) => [name, askMetric(metric)] as const);
    return () =>
      Object.fromEntries(
        later.flatMap(([name, value]) => {
          const estimate = value?.();
          return estimate ? [[name, estimate]] : [];
        }),
      );
  }

  #askPositions(row: number, ask: (statistic: Statistic) => Later): (() => PositionFigures | undefined)[] {
    return this.positions.map(({ from, to, tokens }, i) => {
      const first = this.metrics.length + 2 * i;
      const [agreement, divergence] = [first, first + 1].map((metric) => ask(this.#table.statistic(row, metric)));
      return () => {
        const [agrees, diverges] = [agreement?.(), divergence?.()];
        return agrees && diverges && { from, to, tokens, agreement: agrees, divergence: diverges };
      };
    });
  }

  #askComparison(index: number, against: "prefill" | "decode", ask: (statistic: Statistic) => Later) {
    const other = this.rows.indexOf(against);
    const sides = (metric: number) =>
      [this.#table.statistic(index, metric), this.#table.statistic(other, metric)] as const;
    const differences = this.#askEach((metric) => {
      const [own, others] = sides(metric);
      return ask((sums) => own(sums) - others(sums));
    });
    const improvements = this.#askEach((metric) => {
      if (against !== "decode" || !this.metrics[metric]?.[1].higherIsBetter) return undefined;
      const [own, others] = sides(metric);
      return ask((sums) => improvement(own(sums), others(sums)));
    });
    return (): RowComparison => {
      const improved = improvements();
      return {
        row: this.rows[index] ?? "two-stage",
        against,
        differences: differences(),
        ...(Object.keys(improved).length > 0 && { improvements: improved }),
      };
    };
  }
}

/** The paper's: relative to the decode model alone; NaN where that one has nothing to be relative to. */
function improvement(row: number, decode: number): number {
  return decode > 0 ? (row - decode) / decode : Number.NaN;
}
