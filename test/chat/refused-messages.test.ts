/** What is said of a message that is none: the place, what would have been right, and what came. */

import test from "ava";
import type { ModelMessage } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { chatPair } from "./fixtures.js";

const roles = 'one of "system", "user", "assistant" or "tool"';
const call = { type: "tool-call", toolCallId: "abcdefghi", toolName: "look" } as const;

const wrong: readonly (readonly [message: unknown, parameter: string, expected: string])[] = [
  [{ role: "user" }, "message.content", "a text or a list of text parts"],
  [{ role: "user", content: 5 }, "message.content", "a text or a list of text parts"],
  [{ role: "user", content: [{ type: "text" }] }, "message.content.0.text", "a text"],
  [{ role: "system", content: ["x"] }, "message.content", "a text"],
  [{ role: "friend", content: "x" }, "message.role", roles],
  [{ content: "x" }, "message.role", roles],
  [
    { role: "assistant", content: [{ type: "txt", text: "x" }] },
    "message.content.0.type",
    'one of "text", "reasoning" or "tool-call"',
  ],
  [{ role: "assistant", content: [{ ...call, input: 10n }] }, "message.content.0.input", "a value that JSON can say"],
  [5, "message", 'a message { role: "system" | "user" | "assistant" | "tool", content }'],
];

test.serial("a message that is refused is told what is wrong with it", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ history: [{ role: "user", content: "x" }] });
  for (const [message, parameter, expected] of wrong) {
    const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.edit(0, message as ModelMessage));
    t.like(details, { parameter, expected: `expected ${expected}` });
    const { details: said } = await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send(message as ModelMessage));
    t.is(said.parameter, parameter.replace("message", "message.0"));
    t.is(said.expected, details.expected);
  }
  const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", () =>
    chat.send({ role: "uesr", content: "x" } as never),
  );
  t.is(details.suggestion, "user");
});
