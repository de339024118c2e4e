/** Task "generate": how good the answers are that each row writes, greedily. */

import type { TaskResult, TaskTools } from "./evaluation.js";
import { FigureTable } from "./figures.js";
import { answerMetrics, chooseMetrics } from "./metrics/index.js";
import type { RowSpeed } from "./report.js";
import { greedy, writeAlone } from "./row-timing.js";
import { SpeedMeter } from "./speed-meter.js";

interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
}

export async function evaluateAnswers({ evaluation, encoder }: TaskTools): Promise<TaskResult> {
  const { rows, metrics, options, callbacks } = evaluation;
  const { maxTokens, stop, signal } = options;
  const examples = await evaluation.read(async (line, record) => [await encoder.toAnswer(line, record)]);
  const answers: Answer[][] = rows.map(() => []);
  const speeds: (RowSpeed | undefined)[] = [];
  const memory = await evaluation.visitRows(async (row, index, pair) => {
    const meter = new SpeedMeter();
    for (const [i, { line, prompt, references }] of examples.entries()) {
      evaluation.tell("generating", i, examples.length, row);
      const limits = { maxTokens, ...(stop !== undefined && { stop }), ...(signal && { signal }) };
      const result = await writeAlone(pair, prompt, { ...greedy(row), ...limits });
      meter.add(result, row);
      answers[index]?.push({ text: result.text, tokens: result.tokens });
      callbacks.onExample?.({ task: "generate", line, row, text: result.text, references });
    }
    speeds[index] = meter.speed;
  });

  const table = new FigureTable(rows, examples.length, chooseMetrics(answerMetrics, metrics));
  const ofFull = answers[rows.indexOf("prefill")] ?? [];
  for (const [index, ofRow] of answers.entries())
    for (const [i, { text, tokens }] of ofRow.entries()) {
      const sameAsFull = isSame(tokens, ofFull[i]?.tokens ?? []);
      table.set(index, i, { text, references: examples[i]?.references ?? [], sameAsFull });
    }
  return {
    examples: examples.length,
    promptTokens: examples.reduce((sum, { prompt }) => sum + prompt.length, 0),
    scoredTokens: 0,
    speeds,
    memory,
    ...(await evaluation.estimate(table)),
  };
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}
