/** Public face of the evaluation room. */
export { answerPrompts } from "./answers/answer-prompts.js";
export type {
  AnswerProgress,
  AnswerPromptsOptions,
  AnswerPromptsResult,
  AnswerStage,
} from "./answers/options.js";
export { bench } from "./bench/bench.js";
export type { BenchOptions, BenchProgress, BenchStage, BenchWay } from "./bench/options.js";
export type {
  BenchDrafts,
  BenchGiven,
  BenchLength,
  BenchPosition,
  BenchReport,
  BenchRow,
  BenchSpeed,
  BenchWritten,
} from "./bench/report.js";
export type { Estimate } from "./bootstrap.js";
export { evaluate } from "./evaluate.js";
export type { EvaluateOptions, EvaluationProgress, EvaluationStage, EvaluationTask, MetricName } from "./options.js";
export type {
  EvaluatedModel,
  EvaluationReport,
  ExampleResult,
  Figures,
  PositionFigures,
  RowComparison,
  RowMemory,
  RowReport,
  RowSpeed,
} from "./report.js";
export type { EvaluatedRow } from "./rows.js";
