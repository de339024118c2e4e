/** Conversations as requests and as exports. */

import test from "ava";
import { beginAnswer } from "../../../lib/server/page/browser/answer.js";
import { exportConversation, exportFileName } from "../../../lib/server/page/browser/export.js";
import {
  type AssistantMessage,
  type Message,
  openToolCalls,
  requestMessages,
  withToolResults,
} from "../../../lib/server/page/browser/messages.js";
import { defaultSettings } from "../../../lib/server/page/browser/settings.js";

const answer = (fields: Partial<AssistantMessage>): AssistantMessage => ({
  ...beginAnswer("small, fast"),
  state: "done",
  ...fields,
});
const user = (text: string): Message => ({ role: "user", text });
const call = (id: string, input = "{}") => ({ id, name: "weather", arguments: input });

test("a request has the instructions first, then the messages with what was thought", (t) => {
  const messages = [user("Hello"), answer({ text: "Good day.", reasoning: "A greeting." }), user("Bye")];
  t.deepEqual(requestMessages(messages, "Be brief."), [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Good day.", reasoning_content: "A greeting." },
    { role: "user", content: "Bye" },
  ]);
  t.is(requestMessages(messages, " ").length, 3);
});

test("answers in which nothing was written are left out, and the user's messages around them become one", (t) => {
  const messages = [
    user("Hello"),
    answer({ state: "stopped", reasoning: "Hm" }),
    user("Again"),
    answer({ state: "failed" }),
    user("Now"),
  ];
  t.deepEqual(requestMessages(messages, ""), [{ role: "user", content: "Hello\n\nAgain\n\nNow" }]);
});

test("calls go with their results; one without a result is told of", (t) => {
  const messages = withToolResults([user("Rain?"), answer({ toolCalls: [call("a"), call("b")] })], { a: " dry " });
  t.deepEqual(requestMessages(messages, "").slice(2), [
    { role: "tool", tool_call_id: "a", content: "dry" },
    { role: "tool", tool_call_id: "b", content: "No result was given." },
  ]);
  t.deepEqual(openToolCalls(messages), []);
  t.is(withToolResults(messages), messages);
});

test("a call that was cut short is neither sent nor waits for a result", (t) => {
  const cut = answer({ state: "stopped", text: "Let me see.", toolCalls: [call("a"), call("b", '{"city": "Gr')] });
  t.deepEqual(
    openToolCalls([cut]).map(({ id }) => id),
    ["a"],
  );
  t.deepEqual(openToolCalls([answer({ state: "stopped", toolCalls: [call("a", "")] })]), []);
  t.is(openToolCalls([answer({ toolCalls: [call("a", "")] })]).length, 1);
  const [sent] = requestMessages([cut], "");
  t.like(sent, { content: "Let me see.", tool_calls: [{ id: "a" }] });
  t.is(sent?.role === "assistant" && sent.tool_calls?.length, 1);
});

test("an export has the messages, how the answers went, and how the next one would be asked for, but no key", (t) => {
  const at = new Date("2026-03-04T05:06:07.890Z");
  const messages = [
    user("Hello"),
    answer({ text: "Hi.", finishReason: "stop", usage: { prompt_tokens: 9 }, timings: { prompt_ms: 4 } }),
    answer({ state: "failed", error: "It broke." }),
  ];
  const settings = {
    ...defaultSettings,
    pair: "small",
    dial: "exact" as const,
    system: "Be brief.",
    temperature: "0.5",
  };
  t.deepEqual(JSON.parse(exportConversation(messages, settings, at)), {
    format: "overfill-conversation",
    version: 1,
    exportedAt: "2026-03-04T05:06:07.890Z",
    request: { model: "small:exact", temperature: 0.5 },
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello" },
      {
        role: "assistant",
        content: "Hi.",
        answer: {
          model: "small, fast",
          state: "done",
          finish_reason: "stop",
          usage: { prompt_tokens: 9 },
          timings: { prompt_ms: 4 },
        },
      },
      { role: "assistant", content: "", answer: { model: "small, fast", state: "failed", error: "It broke." } },
    ],
  });
  t.is(exportFileName(at), "overfill-2026-03-04-050607.json");
});
