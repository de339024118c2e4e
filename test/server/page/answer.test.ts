/** What chunks of a stream make of an answer. */

import test from "ava";
import fc from "fast-check";
import { addChunk, beginAnswer, endingOf } from "../../../lib/server/page/browser/answer.js";
import type { AssistantMessage } from "../../../lib/server/page/browser/messages.js";
import { delta, figures, finish } from "./chunks.js";

const grown = (...chunks: readonly unknown[]): AssistantMessage =>
  chunks.reduce(addChunk, beginAnswer("small, fast")) as AssistantMessage;

test("text and reasoning are put together, and the reason of the end is kept", (t) => {
  const answer = grown(
    delta({ role: "assistant", content: "" }),
    delta({ reasoning_content: "Hm" }),
    delta({ reasoning_content: "m." }),
    delta({ content: "Good" }),
    delta({ content: " day." }),
    finish("length"),
  );
  t.like(answer, { reasoning: "Hmm.", text: "Good day.", finishReason: "length", state: "streaming" });
  t.is(endingOf({ ...answer, state: "done" }), "The answer was cut at the limit of tokens.");
  t.is(endingOf(answer), undefined);
});

test("calls are put together by their place, also when their pieces come in turns", (t) => {
  const answer = grown(
    delta({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "weather", arguments: "" } }] }),
    delta({ tool_calls: [{ index: 1, id: "b", type: "function", function: { name: "time", arguments: '{"z' } }] }),
    delta({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
    delta({
      tool_calls: [
        { index: 1, function: { arguments: '":1}' } },
        { index: 0, function: { arguments: '"Graz"}' } },
      ],
    }),
    finish("tool_calls"),
  );
  t.deepEqual(answer.toolCalls, [
    { id: "a", name: "weather", arguments: '{"city":"Graz"}' },
    { id: "b", name: "time", arguments: '{"z":1}' },
  ]);
});

test("the last chunk's usage and times are the answer's figures, and stay as they came for the export", (t) => {
  const last = figures();
  const answer = grown(delta({ content: "x" }), finish("stop"), last);
  t.deepEqual([answer.usage, answer.timings], [last.usage, last.timings]);
  t.like(answer.figures, { readTokens: 204, cachedTokens: 1000, handoverMs: 3.1, writtenTokens: 90 });
});

test("a second choice, and chunks that are none, add nothing", (t) => {
  const answer = beginAnswer("small");
  const other = { choices: [{ index: 1, delta: { content: "other" } }] };
  for (const chunk of [null, 1, "x", [], {}, { choices: 5 }, { choices: [null] }, other])
    t.like(addChunk(answer, chunk), { ...answer });
});

test("no chunk, however odd, throws or makes of the text anything but text", (t) => {
  fc.assert(
    fc.property(fc.array(fc.anything()), fc.anything(), (calls, odd) => {
      const chunk = {
        choices: [{ delta: { content: odd, reasoning_content: odd, tool_calls: calls } }],
        usage: odd,
        timings: odd,
      };
      const answer = grown(chunk, delta({ tool_calls: odd }));
      t.is(typeof answer.text, "string");
      for (const call of answer.toolCalls) t.deepEqual([typeof call.name, typeof call.arguments], ["string", "string"]);
    }),
  );
});
