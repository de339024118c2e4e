/** The numbers that the metrics need of every example in every row; the outcomes themselves are not kept. */

import type { ExampleNumbers, Statistic } from "./bootstrap.js";
import type { Metric } from "./metrics/metric.js";

/** A metric's place among the numbers of a row. */
interface Column<Outcome> {
  readonly metric: Metric<Outcome>;
  readonly start: number;
}

export class OutcomeTable<Outcome> {
  /** [nExamples, nRows, numbers of a row] */
  readonly numbers: ExampleNumbers;
  readonly #columns: readonly Column<Outcome>[];
  readonly #rowWidth: number;

  constructor(nRows: number, nExamples: number, metrics: readonly Metric<Outcome>[]) {
    let start = 0;
    this.#columns = metrics.map((metric) => {
      const column = { metric, start };
      start += metric.width;
      return column;
    });
    this.#rowWidth = start;
    const width = nRows * start;
    this.numbers = { values: new Float64Array(nExamples * width), width };
  }

  set(row: number, example: number, outcome: Outcome): void {
    const base = example * this.numbers.width + row * this.#rowWidth;
    for (const { metric, start } of this.#columns) this.numbers.values.set(metric.statistics(outcome), base + start);
  }

  /** A metric's figure in a row, from sums over examples. Both by index. */
  statistic(row: number, metric: number): Statistic {
    const column = this.#columns[metric];
    if (!column) throw new RangeError(`there is no metric ${metric}`);
    const begin = row * this.#rowWidth + column.start;
    return (sums) => column.metric.value(sums.subarray(begin, begin + column.metric.width));
  }
}
