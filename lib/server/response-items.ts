/** The items of a response, whole or as they come: reasoning, the message, calls of functions. */

import { randomUUID } from "node:crypto";
import type { ChatAnswer, ChatPart } from "../chat/index.js";

export interface ResponseEvent {
  readonly type: string;
  readonly [fact: string]: unknown;
}

const idOf = (kind: string) => `${kind}_${randomUUID().replaceAll("-", "")}`;

interface TextItem {
  readonly kind: "reasoning" | "message";
  readonly id: string;
  text: string;
}

interface CallItem {
  readonly kind: "call";
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  text: string;
}

type Item = TextItem | CallItem;

const partOf = ({ kind, text }: TextItem) =>
  kind === "message" ? { type: "output_text", text, annotations: [], logprobs: [] } : { type: "reasoning_text", text };

function bodyOf(item: Item, status: string): object {
  const { id } = item;
  if (item.kind === "call")
    return { id, type: "function_call", status, call_id: item.callId, name: item.name, arguments: item.text };
  const content = status === "in_progress" ? [] : [partOf(item)];
  return item.kind === "message"
    ? { id, type: "message", status, role: "assistant", content }
    : { id, type: "reasoning", status, summary: [], content };
}

export class ResponseItems {
  readonly #done: object[] = [];
  #open: Item | undefined;

  /** Those that are complete. */
  get list(): readonly object[] {
    return this.#done;
  }

  /** What a part of the answer becomes. */
  add(part: ChatPart): ResponseEvent[] {
    switch (part.type) {
      case "text":
        return this.#text("message", part.text);
      case "reasoning":
        return this.#text("reasoning", part.text);
      case "tool-call-delta":
        return this.#call(part);
      default:
        return [];
    }
  }

  /** @param isCut whether the answer ended before it was complete */
  end(isCut: boolean): ResponseEvent[] {
    const events = this.#close(isCut ? "incomplete" : "completed");
    // An answer that says nothing is a message, too.
    if (this.#done.length > 0) return events;
    return [...events, ...this.#begin({ kind: "message", id: idOf("msg"), text: "" }), ...this.#close("completed")];
  }

  /** All of an answer at once. */
  whole({ reasoning, text, toolCalls, finishReason }: ChatAnswer): void {
    if (reasoning !== "") this.#text("reasoning", reasoning);
    if (text !== "") this.#text("message", text);
    for (const { toolCallId, toolName, input } of toolCalls)
      this.#call({ type: "tool-call-delta", toolCallId, toolName, inputDelta: JSON.stringify(input) });
    this.end(finishReason === "length" || finishReason === "context");
  }

  get #place() {
    return { item_id: this.#open?.id, output_index: this.#done.length };
  }

  #begin(item: Item): ResponseEvent[] {
    const events = this.#close("completed");
    this.#open = item;
    const { output_index } = this.#place;
    events.push({ type: "response.output_item.added", output_index, item: bodyOf(item, "in_progress") });
    if (item.kind !== "call")
      events.push({ type: "response.content_part.added", ...this.#place, content_index: 0, part: partOf(item) });
    return events;
  }

  #text(kind: TextItem["kind"], delta: string): ResponseEvent[] {
    const events =
      this.#open?.kind === kind ? [] : this.#begin({ kind, id: idOf(kind === "message" ? "msg" : "rs"), text: "" });
    (this.#open as TextItem).text += delta;
    const logprobs = kind === "message" ? { logprobs: [] } : {};
    const type = kind === "message" ? "response.output_text.delta" : "response.reasoning_text.delta";
    return [...events, { type, ...this.#place, content_index: 0, delta, ...logprobs }];
  }

  #call({ toolCallId, toolName, inputDelta }: Extract<ChatPart, { type: "tool-call-delta" }>): ResponseEvent[] {
    const isOpen = this.#open?.kind === "call" && this.#open.callId === toolCallId;
    const item: CallItem = { kind: "call", id: idOf("fc"), callId: toolCallId, name: toolName, text: "" };
    const events = isOpen ? [] : this.#begin(item);
    (this.#open as CallItem).text += inputDelta;
    if (inputDelta === "") return events;
    return [...events, { type: "response.function_call_arguments.delta", ...this.#place, delta: inputDelta }];
  }

  #close(status: "completed" | "incomplete"): ResponseEvent[] {
    const item = this.#open;
    if (!item) return [];
    const { text } = item;
    const place = this.#place;
    const events: ResponseEvent[] = [];
    if (item.kind === "call")
      events.push({ type: "response.function_call_arguments.done", ...place, name: item.name, arguments: text });
    else {
      const isMessage = item.kind === "message";
      const type = isMessage ? "response.output_text.done" : "response.reasoning_text.done";
      events.push({ type, ...place, content_index: 0, text, ...(isMessage && { logprobs: [] }) });
      events.push({ type: "response.content_part.done", ...place, content_index: 0, part: partOf(item) });
    }
    const body = bodyOf(item, status);
    events.push({ type: "response.output_item.done", output_index: place.output_index, item: body });
    this.#done.push(body);
    this.#open = undefined;
    return events;
  }
}
