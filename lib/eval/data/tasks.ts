/** What can be asked of a record: which kinds of record serve which task. */

import type { TaskRecord } from "./records.js";

/**
 * What is measured:
 * - `"responses"`: how well each row predicts the responses that the data gives;
 * - `"generate"`: how good the answers are that each row writes;
 * - `"choices"`: which of the given choices each row finds likeliest.
 */
export type EvaluationTask = "responses" | "generate" | "choices";

/** The tasks of each kind, the usual one first. */
const tasksOfKind: Readonly<Record<TaskRecord["kind"], readonly [EvaluationTask, ...EvaluationTask[]]>> = {
  chat: ["responses", "generate"],
  response: ["responses", "generate"],
  text: ["responses"],
  answer: ["generate", "responses"],
  choices: ["choices"],
};

export function usualTask({ kind }: TaskRecord): EvaluationTask {
  return tasksOfKind[kind][0];
}

export function serves({ kind }: TaskRecord, task: EvaluationTask): boolean {
  return tasksOfKind[kind].includes(task);
}
