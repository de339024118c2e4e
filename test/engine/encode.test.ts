/** Records of data files as the tokens that training makes of them. */

import test from "ava";
import type { ChatRecord } from "../../lib/index.js";
import { text } from "../support/gguf-format.js";
import { openPair, refusal } from "./fixtures.js";

const whole = { addSpecial: true, parseSpecial: true } as const;

/** Ends each turn with the vocabulary's end token and a line break, as real templates do. */
const template =
  "{% for message in messages %}<{{ message.role }}>{{ message.content }}{{ eos_token }}\n{% endfor %}" +
  "{% if add_generation_prompt %}<assistant>{% endif %}";
const chatty = { metadata: { "tokenizer.chat_template": text(template) } } as const;

const chat = {
  messages: [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is " },
        { type: "text", text: "it?" },
      ],
    },
    { role: "assistant", content: "The thing." },
  ],
} as const satisfies ChatRecord;

test("a prompt and its response stand as they are, closed by the end token or left open", async (t) => {
  const pair = await openPair(t);
  const record = { prompt: "What is it?\n", response: "The thing" };
  const closed = pair.encode(record);
  t.deepEqual(closed.prompt, pair.tokenize(record.prompt, whole));
  t.is(pair.detokenize(closed.response, { special: true }), "The thing<|end_of_text|>");
  t.deepEqual(pair.encode(record, { closeResponse: true }), closed);
  const open = pair.encode(record, { closeResponse: false });
  t.deepEqual(open, { prompt: closed.prompt, response: closed.response.slice(0, -1) });
});

test("plain text is all response, behind the token that a text begins with", async (t) => {
  const pair = await openPair(t);
  const { prompt, response } = pair.encode({ text: "Once upon a time" });
  t.deepEqual([...prompt, ...response], pair.tokenize("Once upon a time", whole));
  t.is(prompt.length, 1);
  t.deepEqual(pair.encode({ text: "Once upon a time" }, { closeResponse: false }), { prompt, response });
});

test("a chat goes through the prefill model's own template", async (t) => {
  // The decode model's template is another one, which is not asked.
  const decode = { seed: 2, metadata: { "tokenizer.chat_template": text("{{ messages[0].content }}") } };
  const pair = await openPair(t, { prefill: chatty, decode });
  for (let round = 0; round < 2; round++) {
    const { prompt, response } = pair.encode(chat);
    const end = "<|end_of_text|>";
    const before = `<system>Be brief.${end}\n<user>What is it?${end}\n<assistant>`;
    t.deepEqual([...prompt, ...response], pair.tokenize(`${before}The thing.${end}`, whole));
    t.true(pair.detokenize(response, { special: true }).endsWith(`The thing.${end}`));
    t.deepEqual(pair.encode(chat, { closeResponse: false }).response, response.slice(0, -1));
  }
});

test("what is encoded can be scored", async (t) => {
  const pair = await openPair(t, { prefill: chatty, decode: { seed: 2 } });
  const { prompt, response } = pair.encode(chat);
  const scored = await pair.score(prompt, [response]);
  t.is(scored.promptTokens, prompt.length);
  t.deepEqual(scored.responses[0]?.tokens, response);
});

test("a record that makes no example is refused as a data file's line is", async (t) => {
  const pair = await openPair(t, { prefill: chatty, contextSize: 256 });
  const { messages } = chat;
  const records: readonly (readonly [record: object, message: RegExp])[] = [
    [{}, /none of/],
    [{ prompt: "a" }, /is missing/],
    [{ prompt: "a", response: 5 }, /is not a string/],
    [{ prompt: "a", response: "" }, /the response is empty/],
    [{ text: "a", prompt: "b", response: "c" }, /only one of/],
    [{ messages: [] }, /is empty/],
    [{ messages: messages.slice(0, 2) }, /not the assistant's/],
    [{ messages: messages.slice(2) }, /nothing before/],
    [{ prompt: "a ".repeat(200), response: "b ".repeat(200) }, /more than the 256/],
    [{ text: "\ud800" }, /it is not valid JSON in UTF-8/],
  ];
  for (const [record, message] of records) {
    const error = await refusal(t, "ERR_DATA_INVALID", () => pair.encode(record as never), JSON.stringify(record));
    t.regex(error.message, message);
  }
});

test("a chat for a model without a template, and what is no record, have codes of their own", async (t) => {
  const pair = await openPair(t);
  await refusal(t, "ERR_MODEL_UNSUPPORTED", () => pair.encode(chat));
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const value of [undefined, null, "text", 5, circular, { text: 5n }, { toJSON: () => undefined }]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.encode(value as never));
    t.is(error.details.parameter, "record");
  }
  // @ts-expect-error no such option
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.encode({ text: "ab" }, { close: false }));
  await pair.dispose();
  await refusal(t, "ERR_DISPOSED", () => pair.encode({ text: "ab" }));
});
