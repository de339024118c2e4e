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

import { inWords } from "../../internal/expectations.js";
import { onFirstUse, whole } from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import type { ChoicesRecord } from "./records.js";

const choice = onFirstUse(() => inWords("a choice that is not empty", z.string().check(z.regex(/\S/))));
const choices = onFirstUse(() => inWords("a list of two choices or more", z.array(choice()).check(z.minLength(2))));
const index = onFirstUse(() => whole(0));
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A schema of fields, and what becomes of them. */
const shapeOf = <Fields>(fields: z.Schema<Fields>, toChoices: (fields: Fields, refuse: Refuse) => ChoicesRecord) =>
  z.pipe(
    fields,
    z.transform((found: Fields, context): ChoicesRecord => {
      const refuse = (message: string, field?: string) =>
        context.issues.push({ code: "custom", message, path: field?.split(".") ?? [], input: found });
      const record = toChoices(found, refuse);
      const beyond = record.right.find((choice) => choice >= record.continuations.length);
      if (beyond !== undefined)
        refuse(`the right choice is ${beyond}, but the choices are 0 to ${record.continuations.length - 1}`);
      return record;
    }),
  );

type Refuse = (message: string, field?: string) => void;

const generic = onFirstUse(() =>
  shapeOf(
    z.object({
      query: z.string(),
      choices: choices(),
      gold: z.union([index(), inWords("a list of such numbers", z.array(index()).check(z.minLength(1)))]),
    }),
    ({ query, choices, gold }) => toRecord(query, choices, typeof gold === "number" ? [gold] : gold),
  ),
);

const hellaSwag = onFirstUse(() =>
  shapeOf(
    z.object({
      ctx: z.string(),
      activity_label: z.optional(z.string()),
      endings: choices(),
      // The data set has it as text.
      label: z.union([index(), inWords("such a number as text", z.string().check(z.regex(/^\d+$/)))]),
    }),
    ({ ctx, activity_label, endings, label }) => {
      const context = activity_label === undefined ? ctx : `${activity_label}: ${ctx}`;
      return toRecord(withoutMarks(context), endings.map(withoutMarks), [Number(label)]);
    },
  ),
);

const arc = onFirstUse(() =>
  shapeOf(
    z.object({
      question: z.string(),
      choices: z.object({ text: choices(), label: z.array(z.string()) }),
      answerKey: z.string(),
    }),
    ({ question, choices: { text, label }, answerKey }, refuse) => {
      const right = label.indexOf(answerKey);
      if (label.length !== text.length) refuse(`expected ${text.length} labels, one for each text`, "choices.label");
      else if (right < 0) refuse("expected one of the labels", "answerKey");
      return toRecord(`Question: ${question}\nAnswer:`, text, right < 0 ? [] : [right]);
    },
  ),
);

const mmlu = onFirstUse(() =>
  shapeOf(
    z.object({
      question: z.string(),
      choices: choices(),
      answer: z.union([index(), inWords("a letter", z.string().check(z.regex(/^[A-Z]$/)))]),
    }),
    ({ question, choices, answer }, refuse) => {
      if (choices.length > letters.length) refuse(`expected at most ${letters.length}, a letter for each`, "choices");
      const lines = choices.map((text, i) => `${letters[i]}. ${text}`);
      const right = typeof answer === "number" ? answer : letters.indexOf(answer);
      const shown = letters.slice(0, choices.length).split("");
      return toRecord([question.trim(), ...lines, "Answer:"].join("\n"), shown, [right]);
    },
  ),
);

/** The schema for a line with these fields; undefined: it has no choices. */
export function choiceShapeOf(fields: Readonly<Record<string, unknown>>): z.Schema<ChoicesRecord> | undefined {
  if ("endings" in fields) return hellaSwag();
  if (!("choices" in fields)) return undefined;
  if ("query" in fields || "gold" in fields) return generic();
  return Array.isArray(fields.choices) ? mmlu() : arc();
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
