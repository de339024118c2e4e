/** Evaluates two-stage inference on a pair and data of one's own: opens both, runs the task, and puts the report together. */

import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { evaluateAnswers } from "./answer-task.js";
import { evaluateChoices } from "./choice-task.js";
import { BadLines } from "./data/bad-lines.js";
import { openData } from "./data/data-source.js";
import type { EvaluationTask } from "./data/tasks.js";
import { Evaluation, type TaskResult, type TaskTools } from "./evaluation.js";
import { ExampleEncoder } from "./examples.js";
import type { EvaluateOptions } from "./options.js";
import type { EvaluationReport } from "./report.js";
import { toModel } from "./report-model.js";
import { evaluateResponses } from "./response-task.js";
import { RowPairs } from "./row-pairs.js";
import { rowsOf } from "./rows.js";
import {
  type CheckedEvaluateOptions,
  checkEvaluateOptions,
  checkMetrics,
  checkWindowSize,
  checkWrittenRows,
} from "./validation.js";

const tasks: Readonly<Record<EvaluationTask, (tools: TaskTools) => Promise<TaskResult>>> = {
  responses: evaluateResponses,
  choices: evaluateChoices,
  generate: evaluateAnswers,
};

/**
 * What two-stage inference is worth on a pair and a data file: the full model alone, the decode model alone, two-stage,
 * and two-stage with each refresh interval, budget and quality, side by side on the same examples, with confidence intervals,
 * speed and memory. Nothing is downloaded. Equal options, files and threads on one machine give equal figures, but for rows
 * with a refresh budget or an acceptance: what these do depends on measured times.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, a metric that is not the task's, or `qualities` and `refreshBudgets` in
 *   another task than `"generate"`;
 * - ERR_DATA_INVALID for data without a usable line, in another encoding than UTF-8, or with more bad lines than
 *   `maxBadLines`; `details` has `path` and `line`;
 * - ERR_FILE_READ_FAILED for data that cannot be read;
 * - what {@link loadPair} rejects with; ERR_MODEL_UNSUPPORTED also for chats and a model without a chat template;
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY;
 * - `signal.reason` when aborted, or what a callback has thrown.
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationReport> {
  return fromCaller(() => run(options));
}

async function run(options: EvaluateOptions): Promise<EvaluationReport> {
  const checked = checkEvaluateOptions(options);
  const { signal } = checked;
  signal?.throwIfAborted();
  const began = performance.now();
  const path = toPath(checked.data, "options.data");
  const badLines = new BadLines(path, checked.maxBadLines, options.onBadLine);
  const data = await openData(path, checked.task, badLines, signal);
  const pairs = new RowPairs(checked, (fraction) =>
    options.onProgress?.({ stage: "loading", done: fraction, total: 1, fraction }),
  );
  try {
    const metrics = checkMetrics(checked.metrics, data.task);
    checkWrittenRows(checked, data.task);
    const pair = await pairs.openPair();
    const { contextSize } = pair.info;
    const windowSize = checkWindowSize(checked.windowSize, contextSize);
    const rows = rowsOf(checked);
    const evaluation = new Evaluation(checked, options, data, badLines, rows, metrics, pairs);
    const encoder = new ExampleEncoder(pair, { contextSize, windowSize });
    const { info } = pair;
    const result = await tasks[data.task]({ evaluation, encoder, pair });
    const ms = performance.now() - began;
    return toReport({ checked, path, task: data.task, info, badLines, result, ms });
  } finally {
    await pairs.dispose();
    await data.close();
  }
}

function toReport({
  checked,
  path,
  task,
  info,
  badLines,
  result,
  ms,
}: {
  readonly checked: CheckedEvaluateOptions;
  readonly path: string;
  readonly task: EvaluationTask;
  readonly info: TaskTools["pair"]["info"];
  readonly badLines: BadLines;
  readonly result: TaskResult;
  readonly ms: number;
}): EvaluationReport {
  const { examples, promptTokens, scoredTokens, comparisons, speeds, memory } = result;
  const { confidence, resamples, seed, decode } = checked;
  const rows = result.rows.map((row, i) => ({
    ...row,
    ...(speeds[i] && { speed: speeds[i] }),
    memory: memory[i] ?? { weightBytes: 0, kvBytes: 0 },
  }));
  return {
    task,
    data: path,
    prefill: toModel(checked.prefill.model, info.prefill),
    ...(decode && !info.plan.oneModel && { decode: toModel(decode.model, info.decode) }),
    handover: info.plan.kind === "share" ? "share" : "translate",
    contextSize: info.contextSize,
    ...{ examples, promptTokens, scoredTokens, badLines: badLines.all, rows, comparisons },
    ...{ confidence, resamples, seed, threads: info.threads, gpu: info.gpu, ms },
  };
}
