/** The messages of a chat, in the AI SDK's words, and their form for llama.cpp: OpenAI's chat completions. */

/** A piece of text of a message. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** What the model thought before it answered. */
export interface ReasoningPart {
  readonly type: "reasoning";
  readonly text: string;
}

/** A call of a tool that the model made. */
export interface ToolCallPart {
  readonly type: "tool-call";
  readonly toolCallId: string;
  readonly toolName: string;
  /** What the model gave the tool, as its schema has it. */
  readonly input: unknown;
}

/** What came of a call. */
export interface ToolResultPart {
  readonly type: "tool-result";
  readonly toolCallId: string;
  readonly toolName: string;
  /** A text as it is, everything else as JSON. */
  readonly output: unknown;
  /** The tool failed, and `output` says why. @default false */
  readonly isError?: boolean | undefined;
}

export interface SystemMessage {
  readonly role: "system";
  readonly content: string;
}

export interface UserMessage {
  readonly role: "user";
  readonly content: string | readonly TextPart[];
}

export interface AssistantMessage {
  readonly role: "assistant";
  readonly content: string | readonly (TextPart | ReasoningPart | ToolCallPart)[];
}

/** The results of the calls of the assistant's message before it. */
export interface ToolMessage {
  readonly role: "tool";
  readonly content: readonly ToolResultPart[];
}

/** A message of a chat. */
export type ModelMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** The text of a message's text parts. */
export function textOf(content: ModelMessage["content"]): string {
  if (typeof content === "string") return content;
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The calls of an assistant's message. */
export function toolCallsOf(message: ModelMessage): readonly ToolCallPart[] {
  if (message.role !== "assistant" || typeof message.content === "string") return [];
  return message.content.filter((part) => part.type === "tool-call");
}

/** A text as it is, everything else as JSON; what JSON cannot say becomes a text. */
export function outputText(output: unknown): string {
  if (typeof output === "string") return output;
  return JSON.stringify(output) ?? String(output);
}

function assistantJson(content: AssistantMessage["content"]) {
  const reasoning =
    typeof content === "string" ? "" : content.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
  const calls = toolCallsOf({ role: "assistant", content });
  const text = textOf(content);
  return {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ toolCallId, toolName, input }) => ({
        type: "function",
        id: toolCallId,
        function: { name: toolName, arguments: JSON.stringify(input ?? {}) },
      })),
    }),
  };
}

function messageJson(message: ModelMessage): readonly object[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user": {
      const { content } = message;
      const parts = typeof content === "string" ? content : content.map(({ text }) => ({ type: "text", text }));
      return [{ role: "user", content: parts }];
    }
    case "assistant":
      return [assistantJson(message.content)];
    case "tool":
      return message.content.map(({ toolCallId, toolName, output, isError }) => ({
        role: "tool",
        tool_call_id: toolCallId,
        name: toolName,
        content: isError ? `Error: ${outputText(output)}` : outputText(output),
      }));
  }
}

/** The messages as JSON for the binding. */
export const messagesJson = (messages: readonly ModelMessage[]): string =>
  JSON.stringify(messages.flatMap(messageJson));
