/** One evaluation while it goes on: what its tasks have in common. */

import type { Pair } from "../engine/index.js";
import type { BadLines } from "./data/bad-lines.js";
import { nothingUsable, type OpenData } from "./data/data-source.js";
import type { TaskRecord } from "./data/records.js";
import { type ExampleEncoder, UnusableRecord } from "./examples.js";
import type { AllFigures, FigureTable } from "./figures.js";
import type { MetricName } from "./metrics/metric.js";
import type { EvaluateOptions, EvaluationStage } from "./options.js";
import type { RowMemory, RowSpeed } from "./report.js";
import { memoryOf } from "./row-memory.js";
import type { RowPairs } from "./row-pairs.js";
import { type EvaluatedRow, usesBoth } from "./rows.js";
import type { CheckedEvaluateOptions } from "./validation.js";

/** What a task comes to. */
export interface TaskResult extends AllFigures {
  readonly examples: number;
  readonly promptTokens: number;
  readonly scoredTokens: number;
  /** By row. */
  readonly speeds: readonly (RowSpeed | undefined)[];
  /** By row. */
  readonly memory: readonly RowMemory[];
}

export class Evaluation {
  constructor(
    readonly options: CheckedEvaluateOptions,
    readonly callbacks: Pick<EvaluateOptions, "onProgress" | "onExample">,
    readonly data: OpenData,
    readonly badLines: BadLines,
    readonly rows: readonly EvaluatedRow[],
    readonly metrics: readonly MetricName[],
    readonly pairs: RowPairs,
  ) {}

  /** Throws the signal's reason, and what the callback throws. */
  tell(stage: EvaluationStage, done: number, total: number, row?: EvaluatedRow): void {
    this.options.signal?.throwIfAborted();
    const fraction = total > 0 ? done / total : 1;
    this.callbacks.onProgress?.({ stage, done, total, fraction, ...(row !== undefined && { row }) });
  }

  /**
   * The examples of the data, as many as were asked for. Throws ERR_DATA_INVALID for too many bad lines, or without a
   * usable one.
   */
  async read<Example>(encode: (line: number, record: TaskRecord) => Promise<Iterable<Example>>): Promise<Example[]> {
    const most = this.options.maxExamples ?? Number.POSITIVE_INFINITY;
    const examples: Example[] = [];
    for await (const { line, record } of this.data.records) {
      try {
        for (const example of await encode(line, record)) if (examples.push(example) === most) return examples;
      } catch (error) {
        if (!(error instanceof UnusableRecord)) throw error;
        this.badLines.add(line, error.message);
      }
      this.tell("reading", examples.length, Math.max(examples.length, this.options.maxExamples ?? 0));
    }
    if (examples.length === 0) throw nothingUsable(this.badLines.path, this.badLines);
    return examples;
  }

  /** Every row with the pair that it runs on, those of one pair together. Gives what each needs, by row. */
  async visitRows(visit: (row: EvaluatedRow, index: number, pair: Pair) => Promise<void>): Promise<RowMemory[]> {
    const memory: RowMemory[] = [];
    const order = [...this.rows.entries()].sort(([, a], [, b]) => Number(usesBoth(b)) - Number(usesBoth(a)));
    for (const [index, row] of order) {
      const pair = await this.pairs.openRow(row);
      memory[index] = memoryOf(pair);
      await visit(row, index, pair);
    }
    return memory;
  }

  /** Rejects with the signal's reason. */
  estimate<Outcome>(table: FigureTable<Outcome>): Promise<AllFigures> {
    const { confidence, resamples, seed, signal } = this.options;
    const onProgress = (fraction: number) => this.tell("resampling", Math.round(fraction * resamples), resamples);
    return table.estimate({ confidence, resamples, seed, signal, onProgress });
  }
}

/** What a task needs beside the evaluation. */
export interface TaskTools {
  readonly evaluation: Evaluation;
  readonly encoder: ExampleEncoder;
  /** Of both models. */
  readonly pair: Pair;
}
