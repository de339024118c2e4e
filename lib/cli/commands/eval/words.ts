/** The words and numbers in which an evaluation is told: of rows, metrics and figures. */

import type { EvaluatedRow, EvaluationTask, MetricName } from "../../../eval/index.js";

export function nameOfRow(row: EvaluatedRow): string {
  if (typeof row === "string") return row === "two-stage" ? row : `${row} alone`;
  if ("refreshInterval" in row) return `refresh ${row.refreshInterval}`;
  if ("refreshBudget" in row) return `budget ${row.refreshBudget}`;
  return row.quality === "exact" ? row.quality : `acceptance ${row.quality.acceptance}`;
}

export const metricWords: Readonly<Record<MetricName, string>> = {
  perplexity: "perplexity",
  perplexityAfterFirst: "  after the first token",
  agreement: "agreement with the full model",
  agreementAfterFirst: "  after the first token",
  divergence: "KL from the full model",
  divergenceAfterFirst: "  after the first token",
  accuracy: "accuracy",
  accuracyNorm: "accuracy, by length",
  exactMatch: "exact match",
  strictMatch: "exact match to the letter",
  f1: "F1",
  rougeL: "ROUGE-L",
  bleu: "BLEU",
  sameAsFull: "same answer as the full model",
};

export const taskWords: Readonly<Record<EvaluationTask, string>> = {
  responses: "predicting responses",
  generate: "generating answers",
  choices: "choosing",
};

/** Four digits behind the point, or as many that count where that would hide a small number or lengthen a large one. */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  return size < 0.001 || size >= 10_000 ? value.toExponential(2) : size < 10 ? value.toFixed(4) : value.toPrecision(5);
}

/** The same with its sign. */
export function formatDifference(value: number): string {
  return `${value > 0 ? "+" : ""}${formatFigure(value)}`;
}

/** `+83.2%` */
export function formatImprovement(value: number): string {
  return `${value > 0 ? "+" : ""}${(100 * value).toFixed(1)}%`;
}
