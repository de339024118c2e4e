/** The shapes of data: each that is known is read, each that is broken is told by the field. */

import test from "ava";
import { parseRecord } from "../../../lib/eval/data/record-shapes.js";
import type { TaskRecord } from "../../../lib/eval/data/records.js";

const chat = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
];
const question = { kind: "answer", prompt: "Who?", references: ["He"] } as const;
const arcChoices = { text: ["red", "blue sky"], label: ["A", "B"] };

const shapes: readonly (readonly [title: string, line: object, record: TaskRecord])[] = [
  ["a chat", { messages: chat }, { kind: "chat", messages: chat }],
  [
    "a chat with content in parts",
    {
      messages: [
        chat[0],
        {
          role: "assistant",
          content: [
            { type: "text", text: "Hel" },
            { type: "text", text: "lo" },
          ],
        },
      ],
    },
    { kind: "chat", messages: chat },
  ],
  ["a response", { prompt: "a", response: " b" }, { kind: "response", prompt: "a", response: " b" }],
  ["a response to nothing", { prompt: "", response: "b" }, { kind: "response", prompt: "", response: "b" }],
  ["a completion", { prompt: "a", completion: " b" }, { kind: "response", prompt: "a", response: " b" }],
  ["a text", { text: "a b" }, { kind: "text", text: "a b" }],
  ["a question", { question: "Who?", answer: "He" }, question],
  ["a prompt with a target", { prompt: "Who?", target: "He" }, question],
  ["an input with answers", { input: "Who?", answers: ["He", "him"] }, { ...question, references: ["He", "him"] }],
  [
    "SQuAD's passage",
    { id: "1", title: "T", context: "He did it.", question: "Who?", answers: { text: ["He"], answer_start: [0] } },
    { ...question, prompt: "Title: T\n\nBackground: He did it.\n\nQuestion: Who?\n\nAnswer:" },
  ],
  [
    "a passage without a title",
    { passage: "He did it.", question: "Who?", answer: "He" },
    { ...question, prompt: "Background: He did it.\n\nQuestion: Who?\n\nAnswer:" },
  ],
  ["an empty passage", { context: "", question: "Who?", answer: "He" }, question],
  ["a chat with an empty list of tools", { messages: chat, tools: [] }, { kind: "chat", messages: chat }],
  ["SQuAD's answers", { question: "Who?", answers: { text: ["He"], answer_start: [5] } }, question],
  [
    "generic choices",
    { query: "The sky is", choices: ["red", "blue"], gold: 1 },
    { kind: "choices", context: "The sky is", continuations: [" red", " blue"], lengths: [3, 4], right: [1] },
  ],
  [
    "generic choices of which two are right",
    { query: "The sky is", choices: ["red", "blue", "up"], gold: [1, 2] },
    {
      kind: "choices",
      context: "The sky is",
      continuations: [" red", " blue", " up"],
      lengths: [3, 4, 2],
      right: [1, 2],
    },
  ],
  [
    "ARC",
    { question: "What is the sky?", choices: arcChoices, answerKey: "B", id: "x" },
    {
      kind: "choices",
      context: "Question: What is the sky?\nAnswer:",
      continuations: [" red", " blue sky"],
      lengths: [3, 8],
      right: [1],
    },
  ],
  [
    "MMLU",
    { question: " What? ", choices: ["one", "two", "three"], answer: 2, subject: "s" },
    {
      kind: "choices",
      context: "What?\nA. one\nB. two\nC. three\nAnswer:",
      continuations: [" A", " B", " C"],
      lengths: [1, 1, 1],
      right: [2],
    },
  ],
  [
    "MMLU by letter",
    { question: "What?", choices: ["one", "two"], answer: "B" },
    {
      kind: "choices",
      context: "What?\nA. one\nB. two\nAnswer:",
      continuations: [" A", " B"],
      lengths: [1, 1],
      right: [1],
    },
  ],
  [
    "HellaSwag",
    { ctx: "He [title] goes [note] on", activity_label: "Walk", endings: ["and  on 𝄞.", "[step] off."], label: "0" },
    {
      kind: "choices",
      context: "Walk: He. goes on",
      continuations: [" and on 𝄞.", "  off."],
      lengths: [9, 5],
      right: [0],
    },
  ],
];
for (const [title, line, record] of shapes)
  test(`${title} is read`, (t) => t.deepEqual(parseRecord(JSON.stringify(line)), { record }));

const choices = { query: "q", choices: ["a", "b"], gold: 0 };
const arc = { question: "q", choices: arcChoices, answerKey: "A" };
const broken: readonly (readonly [title: string, line: string | object, problem: RegExp])[] = [
  ["no JSON", "{ a", /^it is not valid JSON$/],
  ["JSON of two objects", "{} {}", /^it is not valid JSON$/],
  ["a list", [1], /^it is not a JSON object$/],
  ["null", "null", /^it is not a JSON object$/],
  ["other fields", { a: 1 }, /^it has none of the known fields: "messages"/],
  ["nothing", {}, /none of the known fields/],
  ["a prompt alone", { prompt: "a" }, /^"response" is missing$/],
  ["a question alone", { question: "a" }, /^"answer" is missing$/],
  ["an answer alone", { answer: "a" }, /^"question" is missing$/],
  ["a response alone", { response: "a" }, /^"prompt" is missing$/],
  ["an empty response", { prompt: "a", response: "" }, /^"response": expected a text that is not empty$/],
  ["an empty text", { text: "" }, /^"text": expected a text that is not empty$/],
  ["a prompt that is no text", { prompt: 5, response: "b" }, /^"prompt": expected a text$/],
  ["an empty answer", { question: "a", answer: "" }, /^"answer": expected a text that is not empty, or a list/],
  ["no answers", { question: "a", answers: [] }, /^"answers": expected a text that is not empty, or a list/],
  ["one of several answers empty", { question: "a", answers: ["b", ""] }, /^"answers.1": expected a text that/],
  ["an empty question", { question: "", answer: "b" }, /^"question": expected a text that is not empty$/],
  ["no messages", { messages: [] }, /^"messages": expected a list of two messages or more$/],
  ["a single message", { messages: [chat[1]] }, /^"messages": expected a list of two messages or more$/],
  ["a chat that ends with the user", { messages: [chat[1], chat[0]] }, /^the last message is not the assistant's$/],
  [
    "an empty answer of the assistant",
    { messages: [chat[0], { role: "assistant", content: "" }] },
    /message is empty$/,
  ],
  ["a picture in a chat", { messages: [{ role: "user", content: [{ type: "image" }] }, chat[1]] }, /content/],
  [
    "a chat with tools",
    { messages: chat, tools: [{ type: "function" }] },
    /^"tools": expected none: chats with tools cannot be read$/,
  ],
  [
    "a chat with a tool call",
    { messages: [chat[0], { role: "assistant", content: null, tool_calls: [{ id: "a" }] }] },
    /^"messages.1.tool_calls": expected none: chats with tools cannot be read$/,
  ],
  [
    "a chat with a tool's answer",
    { messages: [chat[0], { role: "tool", content: "20 C" }, chat[1]] },
    /^"messages.1.role": expected .*: chats with tools cannot be read$/,
  ],
  [
    "a passage that is no text",
    { context: { sentences: [] }, question: "a", answer: "b" },
    /^"context": expected a text/,
  ],
  ["messages that are none", { messages: "Hi" }, /^"messages": /],
  ["a single choice", { ...choices, choices: ["a"] }, /^"choices": /],
  ["an empty choice", { ...choices, choices: ["a", " "] }, /^"choices.1": expected a choice that is not empty$/],
  ["a gold beyond the choices", { ...choices, gold: 2 }, /^the right choice is 2, but the choices are 0 to 1$/],
  ["a gold that is no index", { ...choices, gold: -1 }, /^"gold": /],
  ["no gold", { query: "q", choices: ["a", "b"] }, /^"gold" is missing$/],
  ["no query", { gold: 1, choices: ["a", "b"] }, /^"query" is missing$/],
  ["a key that is no label", { ...arc, answerKey: "E" }, /^"answerKey": expected one of the labels$/],
  ["too few labels", { ...arc, choices: { text: ["a", "b"], label: ["A"] } }, /^"choices.label": expected 2 labels/],
  ["no key", { question: "q", choices: arcChoices }, /^"answerKey" is missing$/],
  ["no answer to choices", { question: "q", choices: ["a", "b"] }, /^"answer" is missing$/],
  ["a letter beyond the choices", { question: "q", choices: ["a", "b"], answer: "C" }, /^the right choice is 2/],
  ["an answer that is no letter", { question: "q", choices: ["a", "b"], answer: "b" }, /^"answer": /],
  [
    "more choices than letters",
    { question: "q", choices: Array(27).fill("a"), answer: 0 },
    /^"choices": expected at most 26/,
  ],
  ["endings without a label", { ctx: "c", endings: ["a", "b"] }, /^"label" is missing$/],
  ["a label that is no index", { ctx: "c", endings: ["a", "b"], label: "x" }, /^"label": /],
  ["half of a character", '{"text": "a \\ud83d b"}', /^it contains half of a surrogate pair$/],
  ["half of a character at its end", { prompt: "a", response: "\udc00" }, /surrogate/],
];
for (const [title, line, problem] of broken)
  test(`${title} is a bad line`, (t) => {
    const parsed = parseRecord(typeof line === "string" ? line : JSON.stringify(line));
    t.regex("problem" in parsed ? parsed.problem : JSON.stringify(parsed), problem);
  });

test("a whole pair of surrogates, and text that looks like half of one, are characters like others", (t) => {
  const text = "😀 \\ud83d \\\\udc00";
  t.deepEqual(parseRecord(JSON.stringify({ text })), { record: { kind: "text", text } });
});
