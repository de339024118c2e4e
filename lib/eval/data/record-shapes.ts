/** Lines of JSON as records: which shape a line has, by the names of its fields, and whether it is whole. */

import { z } from "zod";
import { choiceShapeOf } from "./choice-shapes.js";
import type { ParsedRecord, TaskRecord } from "./records.js";

const filled = z.string().min(1, "expected a text that is not empty");

/** A string, or OpenAI's list of parts, of which only texts are read. */
const content = z.union(
  [
    z.string(),
    z
      .array(z.object({ type: z.literal("text"), text: z.string() }))
      .transform((parts) => parts.map(({ text }) => text).join("")),
  ],
  "expected a text or a list of texts",
);

const chat = z
  .object({ messages: z.array(z.object({ role: filled, content })).min(2, "expected two messages or more") })
  .transform(({ messages }, context): TaskRecord => {
    const last = messages.at(-1);
    if (last?.role !== "assistant")
      context.addIssue({ code: "custom", message: "the last message is not the assistant's" });
    else if (last.content === "") context.addIssue({ code: "custom", message: "the assistant's message is empty" });
    return { kind: "chat", messages };
  });

const text = z.object({ text: filled }).transform((fields): TaskRecord => ({ kind: "text", ...fields }));

/** @param response the field that has it */
const response = (field: "response" | "completion") =>
  z
    .object({ prompt: z.string(), [field]: filled })
    .transform(
      (fields): TaskRecord => ({ kind: "response", prompt: String(fields.prompt), response: String(fields[field]) }),
    );

const references = z.union(
  [
    filled.transform((one) => [one]),
    z.array(filled).min(1),
    // SQuAD's own form.
    z.object({ text: z.array(filled).min(1) }).transform(({ text }) => text),
  ],
  "expected a text that is not empty, or a list of such texts",
);

/** @param prompt the field that is read; @param answer the field with what is right */
const answer = (prompt: string, answer: string) =>
  z.object({ [prompt]: filled, [answer]: references }).transform(
    (fields): TaskRecord => ({
      kind: "answer",
      prompt: String(fields[prompt]),
      references: fields[answer] as readonly string[],
    }),
  );

const promptFields = ["prompt", "question", "input"] as const;
const answerFields = ["answers", "answer", "target"] as const;

const known =
  '"messages", "prompt" with "response" or "completion", "text", "prompt", "question" or "input" with "answer", ' +
  '"answers" or "target", "choices" or "endings"';

/** The schema for a line with these fields. */
function shapeOf(fields: Readonly<Record<string, unknown>>): z.ZodType<TaskRecord> | undefined {
  if ("messages" in fields) return chat;
  const choices = choiceShapeOf(fields);
  if (choices) return choices;
  const completion = (["response", "completion"] as const).find((name) => name in fields);
  if (completion !== undefined) return response(completion);
  const prompt = promptFields.find((name) => name in fields);
  const right = answerFields.find((name) => name in fields);
  if (prompt !== undefined && right !== undefined) return answer(prompt, right);
  if ("text" in fields) return text;
  // What is there says what is missing.
  if (prompt === "prompt") return response("response");
  if (prompt !== undefined) return answer(prompt, "answer");
  return right === undefined ? undefined : answer("question", right);
}

/** Reads one line of JSONL. Fields that the shape does not have are left alone. */
export function parseRecord(line: string): ParsedRecord {
  const fields = parseJson(line);
  if (fields === undefined) return { problem: "it is no JSON" };
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    return { problem: "it is no JSON object" };
  const shape = shapeOf(fields as Record<string, unknown>);
  if (!shape) return { problem: `it has none of the known fields: ${known}` };
  const parsed = shape.safeParse(fields);
  if (!parsed.success) return { problem: describe(parsed.error.issues[0], fields) };
  // JSON can escape half a character, which no UTF-8 has: it would come out as U+FFFD.
  if (hasLoneSurrogate(JSON.stringify(parsed.data))) return { problem: "there is half of a surrogate pair in it" };
  return { record: parsed.data };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function describe(issue: z.core.$ZodIssue | undefined, fields: unknown): string {
  const path = issue?.path ?? [];
  const [first] = path;
  if (path.length === 1 && first !== undefined && !(first in (fields as object)))
    return `"${String(first)}" is missing`;
  const message = issue?.message ?? "it has another shape";
  return path.length === 0 ? message : `"${path.map(String).join(".")}": ${message}`;
}

/** JSON.stringify escapes those that stand alone, and only those. */
function hasLoneSurrogate(json: string): boolean {
  return /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(json);
}
