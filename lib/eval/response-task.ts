/** Task "responses": how well each row predicts given responses, and how near it is to the full model. */

import type { TaskResult, TaskTools } from "./evaluation.js";
import type { ResponseExample } from "./examples.js";
import { FigureTable, type PositionMetrics } from "./figures.js";
import { chooseMetrics, responseMetrics } from "./metrics/index.js";
import { agreement, divergence, positionRanges, type ResponseOutcome } from "./metrics/likelihood.js";
import type { MetricName } from "./metrics/metric.js";
import { timeRows } from "./row-timing.js";
import { scoredRows } from "./rows.js";

/** The metrics that are also told by position. */
const positioned: readonly MetricName[] = ["agreement", "divergence"];

export async function evaluateResponses({ evaluation, encoder, pair }: TaskTools): Promise<TaskResult> {
  const { rows, metrics, options, callbacks } = evaluation;
  const examples = await evaluation.read((line, record) => encoder.toResponses(line, record));
  const positions = metrics.some((name) => positioned.includes(name)) ? positionsOf(examples) : [];
  const table = new FigureTable(rows, examples.length, chooseMetrics(responseMetrics, metrics), positions);
  for (const [i, { line, prompt, response }] of examples.entries()) {
    evaluation.tell("scoring", i, examples.length);
    const scored = await pair.score(prompt, [response], {
      rows: scoredRows(rows),
      ...(options.signal && { signal: options.signal }),
    });
    for (const [index, { row, ...outcome }] of (scored.responses[0]?.rows ?? []).entries()) {
      table.set(index, i, outcome);
      callbacks.onExample?.({ task: "responses", line, row, ...summary(outcome) });
    }
  }
  return {
    examples: examples.length,
    promptTokens: examples.reduce((sum, { prompt }) => sum + prompt.length, 0),
    scoredTokens: examples.reduce((sum, { response }) => sum + response.length, 0),
    ...(await timeRows(evaluation, examples)),
    ...(await evaluation.estimate(table)),
  };
}

function positionsOf(examples: readonly ResponseExample[]): PositionMetrics<ResponseOutcome>[] {
  const lengths = examples.map(({ response }) => response.length);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  return positionRanges(longest).map(({ from, to }) => ({
    from,
    to: Math.min(to, longest - 1),
    tokens: lengths.reduce((sum, length) => sum + Math.max(0, Math.min(length, to + 1) - from), 0),
    agreement: agreement(from, to + 1),
    divergence: divergence(from, to + 1),
  }));
}

function summary({ logProbs, agree, divergence }: ResponseOutcome) {
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);
  const tokens = logProbs.length;
  return { tokens, logProb: sum(logProbs), agreement: sum(agree) / tokens, divergence: sum(divergence) / tokens };
}
