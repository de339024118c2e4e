/** What the tests of evaluation have in common: a pair of tiny models, and data for each task. */

import { join } from "node:path";
import type { Estimate, EvaluatedRow, EvaluateOptions, EvaluationReport, MetricName } from "../../lib/index.js";
import { quiet } from "../engine/fixtures.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { somePairs, someText, tinyShape, writeLines } from "../train/fixtures.js";

export interface EvaluationFiles {
  readonly folder: string;
  readonly full: string;
  /** Narrower, with other weights: a pair with the full model that shares its cache. */
  readonly small: string;
  /** Twelve prompts with responses of six tokens. */
  readonly responses: string;
  /** Six questions of two choices. */
  readonly choices: string;
}

export async function writeEvaluationFiles(folder: string): Promise<EvaluationFiles> {
  const { path: full } = await writeTinyModel(join(folder, "full.gguf"), tinyShape);
  const { path: small } = await writeTinyModel(join(folder, "small.gguf"), {
    ...tinyShape,
    seed: 4,
    nEmbd: 32,
    nFf: 64,
  });
  return {
    ...{ folder, full, small },
    responses: writeLines(join(folder, "responses.jsonl"), somePairs(12)),
    choices: writeLines(
      join(folder, "choices.jsonl"),
      Array.from({ length: 6 }, (_, i) => ({
        ...{ query: someText(10, i), choices: [someText(3, 50 + i), someText(5, 90 + i)], gold: i % 2 },
      })),
    ),
  };
}

/** Little of everything, computed on one thread. */
export const short = {
  ...quiet,
  ...{ contextSize: 256, resamples: 100, timedTokens: 2 },
} as const satisfies Partial<EvaluateOptions>;

/** Of a row; NaN where there is none. */
export function figureOf({ rows }: EvaluationReport, row: EvaluatedRow, metric: MetricName): number {
  return rows.find((report) => isSame(report.row, row))?.figures[metric]?.value ?? Number.NaN;
}

export function isSame(a: EvaluatedRow, b: EvaluatedRow): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export const nothing: Estimate = { value: 0, low: 0, high: 0 };
