/** What a chat holds: going on, taking back, replacing, and what is dropped when the context is full. */

import test from "ava";
import type { ModelMessage } from "../../lib/index.js";
import { refusal, turns } from "../engine/fixtures.js";
import { call, chatPair, read, runs, says } from "./fixtures.js";

const user = (content: string) => ({ role: "user", content }) as const;
const assistant = (content: string) => ({ role: "assistant", content }) as const;

test.serial("continue() writes on the last answer, which stays one message", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ history: [user("Count."), assistant("one, two")] });
  says(", three");
  const answer = await read(chat.continue());
  t.is(answer.text, ", three");
  t.deepEqual(chat.messages, [user("Count."), assistant("one, two, three")]);
  t.deepEqual(answer.messages, [assistant("one, two, three")]);
  says(", four");
  await read(chat.continue());
  t.deepEqual(chat.messages.at(-1), assistant("one, two, three, four"));
  await using empty = pair.chat();
  await refusal(t, "ERR_STAGE_ORDER", () => empty.continue());
});

test.serial("an answer cut short by maxTokens goes on as if it had not been cut", async (t) => {
  // With two models the prefill model reads the answer so far again, and the rest may be another.
  const pair = await chatPair(t, { decode: undefined, batchSize: 1, maxSessions: 2 });
  await using whole = pair.chat({ template: "chatml" });
  await using parts = pair.chat({ template: "chatml" });
  const options = { temperature: 0, logitBias: printable(pair) } as const;
  const expected = await read(whole.send("Hello", { ...options, maxTokens: 12 }));
  await read(parts.send("Hello", { ...options, maxTokens: 5 }));
  await read(parts.continue({ ...options, maxTokens: 7 }));
  t.deepEqual(parts.messages, whole.messages);
  t.is(expected.finishReason, "length");
});

/** Everything but single printable characters forbidden, so that a text has one way to be tokens. */
function printable(pair: Awaited<ReturnType<typeof chatPair>>): Map<number, number> {
  const size = pair.info.prefill.vocabularySize;
  const forbidden = Array.from({ length: size }, (_, token) => token).filter(
    (token) => !/^[!-~]$/.test(pair.detokenize([token])),
  );
  return new Map(forbidden.map((token) => [token, Number.NEGATIVE_INFINITY]));
}

test.serial("undo() takes back the last message of the user and what followed", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ system: "Be brief." });
  t.falsy(chat.undo());
  says("One.", "Two.", "Three.");
  await read(chat.send("a"));
  await read(chat.send("b"));
  t.truthy(chat.undo());
  t.deepEqual(
    chat.messages.map(({ content }) => content),
    ["Be brief.", "a", "One."],
  );
  const again = await read(chat.send("c"));
  t.is(again.text, "Three.");
  t.true(again.usage.cachedTokens + again.usage.refreshedTokens > 0);
  t.deepEqual(
    [chat.undo(), chat.undo(), chat.undo()].map((gone) => gone?.length),
    [2, 2, undefined],
  );
});

test.serial("setMessages() replaces everything, after a check", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ system: "Be brief." });
  const messages: readonly ModelMessage[] = [
    user("Graz?"),
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "abcdefghi", toolName: "weather", input: {} }] },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "abcdefghi", toolName: "weather", output: "clear" }] },
  ];
  chat.setMessages(messages);
  t.deepEqual(chat.messages, messages);
  for (const wrong of [[{ role: "user" }], [{ role: "friend", content: "x" }], [user("x"), { ...messages[2] }], "x"])
    await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.setMessages(wrong as never));
  t.deepEqual(chat.messages, messages);
  await refusal(t, "ERR_INVALID_ARGUMENT", () =>
    pair.chat({ history: [{ role: "system", content: "x" }], system: "y" }),
  );
});

test.serial("parts of a user's message are one text", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("Yes.");
  const content = [
    { type: "text", text: "Are these " },
    { type: "text", text: "one?" },
  ] as const;
  t.is((await read(chat.send({ role: "user", content }))).text, "Yes.");
});

const long = "word ".repeat(120);
const grown = [user(`1 ${long}`), assistant("A"), user(`2 ${long}`), assistant("B"), user(`3 ${long}`), assistant("C")];

test.serial("a chat that does not fit is an error, and nothing changes", async (t) => {
  const pair = await chatPair(t, { contextSize: 1024 });
  await using chat = pair.chat({ system: "Be brief.", history: grown });
  const before = chat.messages;
  const error = await refusal(t, "ERR_CONTEXT_OVERFLOW", chat.send("And?").finished);
  t.true((error.details.promptTokens ?? 0) > (error.details.contextSize ?? 0));
  t.deepEqual(chat.messages, before);
});

test.serial("drop-oldest drops whole turns, oldest first, never the system's message nor the last turn", async (t) => {
  const pair = await chatPair(t, { contextSize: 1024 });
  await using chat = pair.chat({ system: "Be brief.", history: grown, overflow: "drop-oldest" });
  says("Fine.");
  const answer = await read(chat.send("And?"));
  t.is(answer.text, "Fine.");
  t.is(answer.droppedMessages, 2);
  const system = { role: "system", content: "Be brief." } as const;
  t.deepEqual(chat.messages, [system, ...grown.slice(2), user("And?"), assistant("Fine.")]);
  await refusal(t, "ERR_CONTEXT_OVERFLOW", chat.send("x".repeat(2000)).finished);
  t.is(chat.messages.length, 7);
});

test.serial("turns that were dropped for an answer that did not come are back", async (t) => {
  const pair = await chatPair(t, { contextSize: 1024, batchSize: 8, maxSessions: 2 });
  await using chat = pair.chat({ system: "Be brief.", history: grown, overflow: "drop-oldest" });
  const before = chat.messages;
  const stream = chat.continue();
  await turns(pair, 1);
  stream.abort("stop");
  const { steps, droppedMessages } = await stream.finished;
  t.is(steps.length, 0);
  t.is(droppedMessages, 0);
  t.deepEqual(chat.messages, before);
});

test.serial("results of tools stay when the answer to them did not come", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools: { look: { inputSchema: { type: "object", properties: {} } } } });
  says(call("look", {}));
  const { toolCalls } = await read(chat.send("How is it?"));
  const content = toolCalls.map(({ toolCallId, toolName }) => ({
    ...({ type: "tool-result", toolCallId, toolName, output: "clear" } as const),
  }));
  const answer = await chat.send({ role: "tool", content }, { signal: AbortSignal.abort("no") }).finished;
  t.deepEqual(answer.messages, []);
  t.deepEqual(chat.messages.at(-1), { role: "tool", content });
  says("It is clear.");
  t.is((await read(chat.send())).text, "It is clear.");
});

test.serial("calls and results that JSON cannot say are refused", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const part = { toolCallId: "abcdefghi", toolName: "look" };
  for (const wrong of [10n, circular])
    for (const [input, output] of [
      [{}, wrong],
      [wrong, "clear"],
    ]) {
      const messages: readonly ModelMessage[] = [
        user("Graz?"),
        { role: "assistant", content: [{ type: "tool-call", ...part, input }] },
        { role: "tool", content: [{ type: "tool-result", ...part, output }] },
      ];
      await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.setMessages(messages));
      await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send(messages));
      await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.chat({ history: messages }));
    }
  t.deepEqual(chat.messages, []);
});

test.serial("a function says what is left; it is asked once, and its messages are checked", async (t) => {
  const pair = await chatPair(t, { contextSize: 1024 });
  await using chat = pair.chat({ history: grown });
  let asked = 0;
  says("Short.");
  const answer = await read(
    chat.send("And?", {
      overflow: async (messages) => {
        asked++;
        t.is(messages.length, 7);
        return [user("In short?")];
      },
    }),
  );
  t.is(answer.text, "Short.");
  t.is(answer.droppedMessages, 6);
  t.deepEqual(chat.messages, [user("In short?"), assistant("Short.")]);
  t.is(asked, 1);
  chat.setMessages(grown);
  await refusal(t, "ERR_CONTEXT_OVERFLOW", chat.send("And?", { overflow: (messages) => messages }).finished);
  await refusal(t, "ERR_INVALID_ARGUMENT", chat.send("And?", { overflow: () => [{ role: "x" }] as never }).finished);
  const own = new Error("mine");
  const thrown: unknown = await chat
    .send("And?", {
      overflow: () => {
        throw own;
      },
    })
    .finished.catch((error: unknown) => error);
  t.is(thrown, own);
  t.deepEqual(chat.messages, grown);
});

test.serial("an answer that fills the context ends with `context`", async (t) => {
  const pair = await chatPair(t, { contextSize: 256 });
  await using chat = pair.chat();
  says("word ".repeat(200));
  const answer = await read(chat.send("Hello"));
  t.is(answer.finishReason, "context");
  t.is(answer.usage.promptTokens + answer.usage.completionTokens, 256);
  t.is(runs.length, 1);
});
