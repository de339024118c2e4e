/** Which lines are prompts, and why others are none. */

import test from "ava";
import { type AskedPrompt, parsePrompt } from "../../../lib/eval/data/prompt-shapes.js";

const user = { role: "user", content: "Why?" };
const assistant = { role: "assistant", content: "Because." };

const prompts: readonly (readonly [title: string, line: object, asked: AskedPrompt])[] = [
  ["a prompt", { prompt: " a" }, { kind: "plain", prompt: " a" }],
  ["a prompt with its response", { prompt: "a", response: "b", id: 5 }, { kind: "plain", prompt: "a" }],
  ["a chat", { messages: [user] }, { kind: "chat", messages: [user] }],
  ["a chat with its answer", { messages: [user, assistant] }, { kind: "chat", messages: [user] }],
  [
    "a chat of several turns, with parts",
    { messages: [user, assistant, { role: "user", content: [{ type: "text", text: "Oh?" }], name: "a" }] },
    { kind: "chat", messages: [user, assistant, { role: "user", content: "Oh?" }] },
  ],
];

for (const [title, line, record] of prompts)
  test(`${title} is read`, (t) => t.deepEqual(parsePrompt(JSON.stringify(line)), { record }));

const others: readonly (readonly [title: string, line: object | string, problem: RegExp])[] = [
  ["no JSON", "{ no", /^it is not valid JSON$/],
  ["a list", "[]", /^it is not a JSON object$/],
  ["a text", { text: "a" }, /none of the known fields: "messages" or "prompt"$/],
  ["an empty prompt", { prompt: "" }, /^"prompt": expected a text that is not empty$/],
  ["a prompt that is no text", { prompt: 5 }, /^"prompt": expected a text/],
  ["no messages", { messages: [] }, /^"messages": expected a list of messages$/],
  ["an answer alone", { messages: [assistant] }, /no message for the assistant to answer/],
  ["two answers", { messages: [user, assistant, assistant] }, /no message for the assistant to answer/],
  ["a chat with tools", { messages: [user], tools: [{}] }, /chats with tools cannot be read/],
  ["half a character", '{ "prompt": "\\ud83d" }', /half of a surrogate pair/],
];

for (const [title, line, problem] of others)
  test(`${title} is no prompt`, (t) => {
    const parsed = parsePrompt(typeof line === "string" ? line : JSON.stringify(line));
    t.regex("problem" in parsed ? parsed.problem : "it was read", problem);
  });
