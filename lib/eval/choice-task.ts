/** Task "choices": which of the given choices each row finds likeliest. */

import type { TaskRecord } from "./data/records.js";
import type { TaskResult, TaskTools } from "./evaluation.js";
import { type ChoiceExample, type ExampleEncoder, UnusableRecord } from "./examples.js";
import { FigureTable } from "./figures.js";
import { choiceMetrics, chooseMetrics } from "./metrics/index.js";
import { timeRows } from "./row-timing.js";
import { scoredRows } from "./rows.js";

export async function evaluateChoices({ evaluation, encoder, pair }: TaskTools): Promise<TaskResult> {
  const { rows, metrics, options, callbacks } = evaluation;
  const examples = await evaluation.read(async (line, record) => [await toChoices(encoder, line, record)]);
  const table = new FigureTable(rows, examples.length, chooseMetrics(choiceMetrics, metrics));
  for (const [i, { line, prompt, continuations, lengths, right }] of examples.entries()) {
    evaluation.tell("scoring", i, examples.length);
    const scored = await pair.score(prompt, continuations, {
      rows: scoredRows(rows),
      ...(options.signal && { signal: options.signal }),
    });
    for (const [index, row] of rows.entries()) {
      const logProbs = scored.responses.map((choice) => sum(choice.rows[index]?.logProbs ?? []));
      table.set(index, i, { logProbs, lengths, right });
      callbacks.onExample?.({ task: "choices", line, row, logProbs, right });
    }
  }
  return {
    examples: examples.length,
    promptTokens: examples.reduce((total, { prompt }) => total + prompt.length, 0),
    scoredTokens: examples.reduce((total, { continuations }) => total + continuations.flat().length, 0),
    ...(await timeRows(evaluation, examples)),
    ...(await evaluation.estimate(table)),
  };
}

async function toChoices(encoder: ExampleEncoder, line: number, record: TaskRecord): Promise<ChoiceExample> {
  if (record.kind !== "choices") throw new UnusableRecord("it has no choices");
  return await encoder.toChoices(line, record);
}

function sum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((total, value) => total + value, 0);
}
