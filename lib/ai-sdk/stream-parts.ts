/** The parts of a chat's answer as parts of the SDK's streams: runs of text and of reasoning get a start, an end and an id. */

import type { ChatPart, ToolCallPart } from "../chat/index.js";
import type { StreamPart, ToolCall } from "./specification.js";

export const toolCallOf = ({ type, toolCallId, toolName, input }: ToolCallPart): ToolCall => ({
  ...{ type, toolCallId, toolName },
  input: JSON.stringify(input),
});

export class StreamParts {
  #runs = 0;
  #open: { readonly type: "text" | "reasoning"; readonly id: string } | undefined;
  readonly #openCalls = new Set<string>();

  /** What a part of the answer becomes. */
  of(part: ChatPart): StreamPart[] {
    switch (part.type) {
      case "text":
      case "reasoning":
        return this.#run(part.type, part.text);
      case "tool-call-delta":
        return [...this.#endRun(), ...this.#callDelta(part)];
      case "tool-call":
        return [...this.#endRun(), ...this.#endCall(part.toolCallId), toolCallOf(part)];
      default:
        return [];
    }
  }

  /** Ends what is still open: calls too, if the answer was cut short in one. */
  end(): StreamPart[] {
    return [...this.#endRun(), ...[...this.#openCalls].flatMap((id) => this.#endCall(id))];
  }

  #run(type: "text" | "reasoning", delta: string): StreamPart[] {
    const parts: StreamPart[] = [];
    if (this.#open?.type !== type) {
      parts.push(...this.#endRun());
      this.#open = { type, id: String(this.#runs++) };
      parts.push({ type: `${type}-start`, id: this.#open.id });
    }
    return [...parts, { type: `${type}-delta`, id: this.#open.id, delta }];
  }

  #endRun(): StreamPart[] {
    const open = this.#open;
    this.#open = undefined;
    return open ? [{ type: `${open.type}-end`, id: open.id }] : [];
  }

  #callDelta({ toolCallId, toolName, inputDelta }: Extract<ChatPart, { type: "tool-call-delta" }>): StreamPart[] {
    const parts: StreamPart[] = [];
    if (!this.#openCalls.has(toolCallId)) parts.push({ type: "tool-input-start", id: toolCallId, toolName });
    this.#openCalls.add(toolCallId);
    if (inputDelta !== "") parts.push({ type: "tool-input-delta", id: toolCallId, delta: inputDelta });
    return parts;
  }

  #endCall(id: string): StreamPart[] {
    return this.#openCalls.delete(id) ? [{ type: "tool-input-end", id }] : [];
  }
}
