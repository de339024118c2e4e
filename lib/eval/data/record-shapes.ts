/** Lines of JSON as records: which shape a line has, by the names of its fields, and whether it is whole. */

import { explain, inWords } from "../../internal/expectations.js";
import { text as filledText, kind, list, onFirstUse } from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import { choiceShapeOf } from "./choice-shapes.js";
import type { ParsedRecord, TaskRecord } from "./records.js";

const filled = onFirstUse(() => filledText());

/** Fields of a line, and what becomes of them. */
export const become = <Fields, Result>(fields: z.Schema<Fields>, make: (fields: Fields, refuse: Refuse) => Result) =>
  z.pipe(
    fields,
    z.transform((found: Fields, context) =>
      make(found, (message) => context.issues.push({ code: "custom", message, input: found })),
    ),
  ) as unknown as z.Schema<Result>;

type Refuse = (message: string) => void;

/** A string, or OpenAI's list of parts, of which only texts are read. */
const content = onFirstUse(() =>
  inWords(
    "a text or a list of texts",
    z.union([
      z.string(),
      become(z.array(z.object({ type: z.literal("text"), text: z.string() })), (parts) =>
        parts.map(({ text }) => text).join(""),
      ),
    ]),
  ),
);

/** Templates get role and content alone: a chat would be read without its tools. */
export const noTools = onFirstUse(() =>
  z.optional(
    inWords(
      "none: chats with tools cannot be read",
      z.union([z.literal(null), list("an empty list", z.unknown(), 0, 0)]),
    ),
  ),
);
const speaker = onFirstUse(() =>
  kind<string>(
    "the role of a system, a user or an assistant: chats with tools cannot be read",
    (role) => typeof role === "string" && role !== "" && role !== "tool" && role !== "function",
  ),
);

export const message = onFirstUse(() =>
  z.object({
    tool_calls: noTools(),
    function_call: noTools(),
    tool_call_id: noTools(),
    role: speaker(),
    content: content(),
  }),
);
const chat = onFirstUse(() =>
  become(
    z.object({
      tools: noTools(),
      functions: noTools(),
      messages: list("a list of two messages or more", message(), 2),
    }),
    (fields, refuse): TaskRecord => {
      const messages = fields.messages.map(({ role, content }) => ({ role, content }));
      const last = messages.at(-1);
      if (last?.role !== "assistant") refuse("the last message is not the assistant's");
      else if (last.content === "") refuse("the assistant's message is empty");
      return { kind: "chat", messages };
    },
  ),
);

const text = onFirstUse(() =>
  become(z.object({ text: filled() }), (fields): TaskRecord => ({ kind: "text", ...fields })),
);

type Fields = Readonly<Record<string, unknown>>;

/** @param response the field that has it */
const response = (field: "response" | "completion") =>
  become(z.object({ prompt: z.string(), [field]: filled() }), (fields: Fields): TaskRecord => {
    return { kind: "response", prompt: String(fields.prompt), response: String(fields[field]) };
  });

const someFilled = onFirstUse(() => list("a list of texts that are not empty", filled(), 1));
const references = onFirstUse(() =>
  inWords(
    "a text that is not empty, or a list of such texts",
    z.union([
      become(filled(), (one): readonly string[] => [one]),
      someFilled(),
      // SQuAD's own form.
      become(z.object({ text: someFilled() }), ({ text }) => text),
    ]),
  ),
);

/**
 * A question about a passage (SQuAD's "context", BoolQ's and DROP's "passage"), put as lm-evaluation-harness puts SQuAD.
 *
 * @param passage the field that has it; @param answer the field with what is right
 */
const passageAnswer = (passage: string, answer: string) =>
  become(
    z.object({ title: z.optional(z.string()), [passage]: filled(), question: filled(), [answer]: references() }),
    (fields: Fields): TaskRecord => {
      const title = fields.title ? `Title: ${fields.title}\n\n` : "";
      return {
        kind: "answer",
        prompt: `${title}Background: ${fields[passage]}\n\nQuestion: ${fields.question}\n\nAnswer:`,
        references: fields[answer] as readonly string[],
      };
    },
  );

/** @param prompt the field that is read; @param answer the field with what is right */
const answer = (prompt: string, answer: string) =>
  become(z.object({ [prompt]: filled(), [answer]: references() }), (fields: Fields): TaskRecord => {
    return { kind: "answer", prompt: String(fields[prompt]), references: fields[answer] as readonly string[] };
  });

const promptFields = ["prompt", "question", "input"] as const;
const passageFields = ["context", "passage"] as const;
const answerFields = ["answers", "answer", "target"] as const;

const known =
  '"messages", "prompt" with "response" or "completion", "text", "prompt", "question" or "input" with "answer", ' +
  '"answers" or "target", "context" or "passage" with "question" and its answer, "choices" or "endings"';

/** The schema for a line with these fields. */
function shapeOf(fields: Fields): z.Schema<TaskRecord> | undefined {
  if ("messages" in fields) return chat();
  const choices = choiceShapeOf(fields);
  if (choices) return choices;
  const completion = (["response", "completion"] as const).find((name) => name in fields);
  if (completion !== undefined) return response(completion);
  const prompt = promptFields.find((name) => name in fields);
  const right = answerFields.find((name) => name in fields);
  const passage = passageFields.find((name) => (fields[name] ?? "") !== "");
  if (passage !== undefined && prompt === "question" && right !== undefined) return passageAnswer(passage, right);
  if (prompt !== undefined && right !== undefined) return answer(prompt, right);
  if ("text" in fields) return text();
  // What is there says what is missing.
  if (prompt === "prompt") return response("response");
  if (prompt !== undefined) return answer(prompt, "answer");
  return right === undefined ? undefined : answer("question", right);
}

/** Reads one line of JSONL. Fields that the shape does not have are left alone. */
export function parseRecord(line: string): ParsedRecord {
  return parseLine(line, shapeOf, known);
}

/**
 * Reads one line of JSONL by the schema that its fields ask for.
 *
 * @param words the fields that there are schemas for
 */
export function parseLine<Made>(
  line: string,
  shapeOf: (fields: Fields) => z.Schema<Made> | undefined,
  words: string,
): { readonly record: Made } | { readonly problem: string } {
  const fields = parseJson(line);
  if (fields === undefined) return { problem: "it is not valid JSON" };
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    return { problem: "it is not a JSON object" };
  const shape = shapeOf(fields as Fields);
  if (!shape) return { problem: `it has none of the known fields: ${words}` };
  const parsed = z.safeParse(shape, fields);
  if (!parsed.success) return { problem: describe(shape, parsed.error.issues, fields) };
  // JSON can escape half a character, which no UTF-8 has: it would come out as U+FFFD.
  if (hasLoneSurrogate(JSON.stringify(parsed.data))) return { problem: "it contains half of a surrogate pair" };
  return { record: parsed.data };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function describe(shape: z.Schema, issues: readonly z.core.$ZodIssue[], fields: unknown): string {
  const { keys, expected } = explain(shape, issues);
  const [first] = keys;
  if (keys.length === 1 && first !== undefined && !(first in (fields as object)))
    return `"${String(first)}" is missing`;
  return keys.length === 0 ? expected : `"${keys.map(String).join(".")}": ${expected}`;
}

/** JSON.stringify escapes those that stand alone, and only those. */
function hasLoneSurrogate(json: string): boolean {
  return /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(json);
}
