/** What a chat's saved session has as its note: the messages, as JSON. */

import { refusedArgument } from "../internal/check-options.js";
import type { ModelMessage } from "./messages.js";
import { checkMessages } from "./validation.js";

const format = "overfill chat 1";

/** Refuses messages that JSON cannot say. */
export function noteOf(messages: readonly ModelMessage[]): string {
  try {
    return JSON.stringify({ format, messages });
  } catch (error) {
    throw refusedArgument("messages", "expected values that JSON can say", String(error));
  }
}

/** The messages of a note; nothing if it is none of a chat. */
export function messagesOf(note: string): readonly ModelMessage[] | undefined {
  try {
    const value = JSON.parse(note) as { readonly format?: unknown; readonly messages?: unknown } | null;
    return value?.format === format ? checkMessages(value.messages, "messages") : undefined;
  } catch {
    return undefined;
  }
}
