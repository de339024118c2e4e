/** Lines of JSON as prompts to be answered: those of training data, whose responses are passed over where there are any. */

import { list, onFirstUse, text } from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import { become, message, noTools, parseLine } from "./record-shapes.js";
import type { Message } from "./records.js";

/** What is to be answered. */
export type AskedPrompt =
  /** A prompt as it stands, or a piece of a document that is to be gone on with. */
  | { readonly kind: "plain" | "continuation"; readonly prompt: string }
  /** Ends with another message than the assistant's. */
  | { readonly kind: "chat"; readonly messages: readonly Message[] };

/** A prompt, or why there is none. */
export type ParsedPrompt = { readonly record: AskedPrompt } | { readonly problem: string };

const plain = onFirstUse(() =>
  become(z.object({ prompt: text() }), ({ prompt }): AskedPrompt => ({ kind: "plain", prompt })),
);

const conversation = onFirstUse(() =>
  become(
    z.object({ tools: noTools(), functions: noTools(), messages: list("a list of messages", message(), 1) }),
    (fields, refuse): AskedPrompt => {
      const all = fields.messages.map(({ role, content }) => ({ role, content }));
      const messages = all.at(-1)?.role === "assistant" ? all.slice(0, -1) : all;
      const last = messages.at(-1);
      if (!last || last.role === "assistant") refuse("there is no message for the assistant to answer");
      return { kind: "chat", messages };
    },
  ),
);

/** Reads one line of JSONL. Fields that are no prompt's, such as a response, are left alone. */
export function parsePrompt(line: string): ParsedPrompt {
  const shapeOf = (fields: Readonly<Record<string, unknown>>) =>
    "messages" in fields ? conversation() : "prompt" in fields ? plain() : undefined;
  return parseLine(line, shapeOf, '"messages" or "prompt"');
}
