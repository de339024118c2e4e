/**
 * Questions with choices, in the shapes of the data sets that lm-evaluation-harness knows, put to the model as its tasks
 * put them (without a description or examples before the question):
 *
 * | shape | fields | the model reads | and goes on with |
 * | --- | --- | --- | --- |
 * | generic | query, choices, gold | the query | each choice |
 * | HellaSwag | ctx, endings, label | `activity_label: ctx`, without its marks | each ending |
 * | ARC | question, choices { text, label }, answerKey | `Question: ...\nAnswer:` | each text |
 * | MMLU | question, choices, answer | the question, the choices lettered below it, `Answer:` | each letter |
 *
 * A space stands before each choice.
 */

import { z } from "zod";
import type { ChoicesRecord } from "./records.js";

const choice = z.string().regex(/\S/, "expected a choice that is not empty");
const choices = z.array(choice).min(2);
const index = z.int().min(0);
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const generic = z
  .object({ query: z.string(), choices, gold: z.union([index, z.array(index).min(1)]) })
  .transform(({ query, choices, gold }) => toRecord(query, choices, typeof gold === "number" ? [gold] : gold));

const hellaSwag = z
  .object({
    ctx: z.string(),
    activity_label: z.string().optional(),
    endings: choices,
    // The data set has it as text.
    label: z.union([index, z.string().regex(/^\d+$/, "expected an index").transform(Number)]),
  })
  .transform(({ ctx, activity_label, endings, label }) => {
    const context = activity_label === undefined ? ctx : `${activity_label}: ${ctx}`;
    return toRecord(withoutMarks(context), endings.map(withoutMarks), [label]);
  });

const arc = z
  .object({
    question: z.string(),
    choices: z.object({ text: choices, label: z.array(z.string()) }),
    answerKey: z.string(),
  })
  .transform(({ question, choices: { text, label }, answerKey }, context) => {
    if (label.length !== text.length)
      return refuse(context, "choices.label", `expected ${text.length} labels, one for each text`);
    const right = label.indexOf(answerKey);
    if (right < 0) return refuse(context, "answerKey", "expected one of the labels");
    return toRecord(`Question: ${question}\nAnswer:`, text, [right]);
  });

const mmlu = z
  .object({ question: z.string(), choices, answer: z.union([index, z.string().regex(/^[A-Z]$/, "expected a letter")]) })
  .transform(({ question, choices, answer }, context) => {
    if (choices.length > letters.length)
      return refuse(context, "choices", `expected at most ${letters.length}, a letter for each`);
    const lines = choices.map((text, i) => `${letters[i]}. ${text}`);
    const right = typeof answer === "number" ? answer : letters.indexOf(answer);
    return toRecord([question.trim(), ...lines, "Answer:"].join("\n"), letters.slice(0, choices.length).split(""), [
      right,
    ]);
  });

/** The schema for a line with these fields; undefined: it has no choices. */
export function choiceShapeOf(fields: Readonly<Record<string, unknown>>) {
  const shape = whichShape(fields);
  return shape?.superRefine(({ right, continuations }, context) => {
    const beyond = right.find((choice) => choice >= continuations.length);
    if (beyond !== undefined)
      context.addIssue({ code: "custom", message: `the right choice is ${beyond}, of ${continuations.length} from 0` });
  });
}

function whichShape(fields: Readonly<Record<string, unknown>>) {
  if ("endings" in fields) return hellaSwag;
  if (!("choices" in fields)) return undefined;
  if ("query" in fields || "gold" in fields) return generic;
  return Array.isArray(fields.choices) ? mmlu : arc;
}

function toRecord(context: string, texts: readonly string[], right: readonly number[]): ChoicesRecord {
  return {
    kind: "choices",
    context,
    continuations: texts.map((text) => ` ${text}`),
    lengths: texts.map((text) => [...text].length),
    right,
  };
}

/** HellaSwag's texts from WikiHow have headings and notes in brackets. */
function withoutMarks(text: string): string {
  return text
    .trim()
    .replaceAll(" [title]", ". ")
    .replace(/\[.*?\]/g, "")
    .replaceAll("  ", " ");
}

function refuse(context: z.RefinementCtx, field: string, message: string): typeof z.NEVER {
  context.addIssue({ code: "custom", path: field.split("."), message });
  return z.NEVER;
}
