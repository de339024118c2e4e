/** A conversation as JSON, to keep or to look at. */

import { type Message, requestMessages } from "./messages.js";
import { requestFields, type Settings, settingsFault } from "./settings.js";

/** @param at when it is exported */
export function exportConversation(messages: readonly Message[], settings: Settings, at: Date): string {
  const exported = {
    format: "overfill-conversation",
    version: 1,
    exportedAt: at.toISOString(),
    /** How the next message would be sent. */
    request: settingsFault(settings) === undefined ? requestFields(settings) : undefined,
    messages: [...requestMessages([], settings.system), ...messages.map(exportMessage)],
  };
  return `${JSON.stringify(exported, undefined, 2)}\n`;
}

/** The message as it is sent, and an answer with what the server told of it. Empty answers, which are not sent, are here too. */
function exportMessage(message: Message): object {
  const [sent = { role: "assistant", content: "" }] = requestMessages([message], "");
  if (message.role !== "assistant") return sent;
  const { state, model, finishReason, error, usage, timings } = message;
  return { ...sent, answer: { model, state, finish_reason: finishReason, error, usage, timings } };
}

/** A file's name that sorts by time. */
export const exportFileName = (at: Date): string =>
  `overfill-${at.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "")}.json`;
