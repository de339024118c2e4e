/** A conversation: lines in, answers out, until the lines end. */

import type { ChatAnswer, ChatPart, SendOptions } from "../../../chat/index.js";
import { describeFailure } from "../../failure.js";
import { visibleLines } from "../../visible.js";
import type { MessageLines } from "./message-lines.js";
import { renderCall, renderEnding, renderResult } from "./render.js";
import { type Conversation, runSlashCommand } from "./slash-commands.js";

export interface ConversationOptions {
  readonly lines: MessageLines;
  readonly send: SendOptions;
  /** Gets what stops the answer that is being written, and undefined when it has ended. */
  readonly onAnswer: (stop: AbortController | undefined) => void;
}

/**
 * Rejects with the signal's reason. A failure ends the conversation where nobody types; somebody who does is told, and may
 * go on.
 */
export async function converse(conversation: Conversation, options: ConversationOptions): Promise<void> {
  const { transcript, signal } = conversation;
  const { lines } = options;
  for (;;) {
    const line = await lines.next(signal);
    if (line === undefined) return;
    if (line.trim() === "") continue;
    try {
      const isCommand = line.startsWith("/");
      const next = isCommand ? await runSlashCommand(line, conversation) : "answer";
      if (next === "exit") return;
      if (next === "answer") await answer(isCommand ? undefined : line, conversation, options);
    } catch (error) {
      signal.throwIfAborted();
      const { message } = describeFailure(error, "chat");
      if (!lines.isTerminal || message === "") throw error;
      await transcript.say(visibleLines(message), signal);
    }
  }
}

/** @param text what is said; undefined: the last message has been said already */
async function answer(
  text: string | undefined,
  conversation: Conversation,
  { send, onAnswer }: ConversationOptions,
): Promise<void> {
  const { chat, transcript } = conversation;
  const stop = new AbortController();
  const signal = AbortSignal.any([conversation.signal, stop.signal]);
  onAnswer(stop);
  let whole: ChatAnswer | undefined;
  try {
    const stream = chat.send(text, { ...send, signal });
    // Of an answer that was stopped before it began there is nothing.
    const finished = stream.finished.catch(() => undefined);
    try {
      for await (const part of stream) await show(part, conversation, signal);
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) throw error;
    }
    whole = await finished;
  } finally {
    onAnswer(undefined);
    transcript.endLine();
  }
  conversation.signal.throwIfAborted();
  conversation.lastStep = whole?.steps.at(-1) ?? conversation.lastStep;
  if (stop.signal.aborted) await transcript.note(whole?.messages.length ? "stopped" : "stopped before it began");
  else if (whole) for (const line of renderEnding(whole)) await transcript.note(line);
}

async function show(part: ChatPart, { transcript }: Conversation, signal: AbortSignal): Promise<void> {
  if (part.type === "text") await transcript.text(part.text, signal);
  else if (part.type === "reasoning") await transcript.reasoning(part.text, signal);
  else if (part.type === "tool-call") await transcript.note(renderCall(part), signal);
  else if (part.type === "tool-result") await transcript.note(renderResult(part), signal);
}
