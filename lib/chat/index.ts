/** Public face of the chat room. */
export type {
  ChatAnswer,
  ChatFinishReason,
  ChatPart,
  ChatStep,
  ChatUsage,
} from "./answer.js";
export { Chat, type ChatInput } from "./chat.js";
export { ChatStream } from "./chat-stream.js";
export type { AnySchema, JsonSchema, SchemaIssue, StandardSchema } from "./json-schema.js";
export type {
  AssistantMessage,
  ModelMessage,
  ReasoningPart,
  SystemMessage,
  TextPart,
  ToolCallPart,
  ToolMessage,
  ToolResultPart,
  UserMessage,
} from "./messages.js";
export type {
  ChatDefaults,
  ChatOptions,
  OverflowOption,
  ReasoningOption,
  SendOptions,
  ToolChoice,
} from "./options.js";
export type { RestoreChatOptions } from "./saved-chat.js";
export { type Tool, type ToolContext, type Tools, tool } from "./tools.js";
