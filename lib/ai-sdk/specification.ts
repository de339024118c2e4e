/**
 * What the AI SDK asks of a language model: version 3 of its specification (`@ai-sdk/provider` 3), as far as it is used
 * here. The shapes are written out, so that the package needs no other one, not even for its types: `@ai-sdk/provider` is a
 * dependency of `ai` that an app need not see itself. A test holds them to the SDK's own.
 */

/** What JSON can say. */
export type JsonValue = null | string | number | boolean | JsonObject | JsonValue[];

export interface JsonObject {
  // The SDK's own type has `undefined` in it too.
  [key: string]: JsonValue | undefined;
}

/** Options or figures by the provider's name. */
export type ByProvider = Record<string, JsonObject>;

export interface FilePart {
  type: "file";
  mediaType: string;
}

export interface TextPart {
  type: "text";
  text: string;
}

export interface ReasoningPart {
  type: "reasoning";
  text: string;
}

export interface ToolCallPart {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  input: unknown;
}

export type ToolResultOutput =
  | { type: "text" | "error-text"; value: string }
  | { type: "json" | "error-json"; value: unknown }
  | { type: "execution-denied"; reason?: string }
  | { type: "content"; value: ({ type: "text"; text: string } | { type: Exclude<ContentType, "text"> })[] };

/** What a tool may answer with. */
export type ContentType =
  | "text"
  | "file-data"
  | "file-url"
  | "file-id"
  | "image-data"
  | "image-url"
  | "image-file-id"
  | "custom";

export interface ToolResultPart {
  type: "tool-result";
  toolCallId: string;
  toolName: string;
  output: ToolResultOutput;
}

export interface ToolApprovalPart {
  type: "tool-approval-response";
}

export type PromptMessage =
  | { role: "system"; content: string }
  | { role: "user"; content: (TextPart | FilePart)[] }
  | { role: "assistant"; content: (TextPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart)[] }
  | { role: "tool"; content: (ToolResultPart | ToolApprovalPart)[] };

export interface FunctionTool {
  type: "function";
  name: string;
  description?: string;
  inputSchema: object | boolean;
  inputExamples?: unknown[];
}

/** A tool that a provider has on its own side. */
export interface ProviderTool {
  type: "provider";
  id: string;
  name: string;
}

export interface CallOptions {
  prompt: PromptMessage[];
  maxOutputTokens?: number;
  temperature?: number;
  stopSequences?: string[];
  topP?: number;
  topK?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  responseFormat?: { type: "text" } | { type: "json"; schema?: object | boolean };
  seed?: number;
  tools?: (FunctionTool | ProviderTool)[];
  toolChoice?: { type: "auto" | "none" | "required" } | { type: "tool"; toolName: string };
  includeRawChunks?: boolean;
  abortSignal?: AbortSignal;
  providerOptions?: ByProvider;
}

export interface Warning {
  type: "unsupported";
  feature: string;
  details?: string;
}

export interface ModelFinishReason {
  unified: "stop" | "length" | "tool-calls" | "error" | "other";
  /** The reason in the words of a chat. */
  raw: string | undefined;
}

export interface ModelUsage {
  inputTokens: {
    total: number | undefined;
    /** Tokens that were read. */
    noCache: number | undefined;
    /** Tokens that a session held already. */
    cacheRead: number | undefined;
    cacheWrite: number | undefined;
  };
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined };
  raw?: JsonObject;
}

/** A call of a tool; the input is JSON. */
export interface ToolCall {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  input: string;
}

export interface GenerateResult {
  content: (TextPart | ReasoningPart | ToolCall)[];
  finishReason: ModelFinishReason;
  usage: ModelUsage;
  providerMetadata?: ByProvider;
  warnings: Warning[];
}

export type StreamPart =
  | { type: "stream-start"; warnings: Warning[] }
  | { type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end" | "tool-input-end"; id: string }
  | { type: "text-delta" | "reasoning-delta" | "tool-input-delta"; id: string; delta: string }
  | { type: "tool-input-start"; id: string; toolName: string }
  | ToolCall
  | { type: "finish"; usage: ModelUsage; finishReason: ModelFinishReason; providerMetadata?: ByProvider }
  | { type: "error"; error: unknown };

export interface StreamResult {
  stream: ReadableStream<StreamPart>;
}

/** A language model as the SDK's functions take it. */
export interface LanguageModel {
  readonly specificationVersion: "v3";
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: Record<string, RegExp[]>;
  doGenerate(options: CallOptions): Promise<GenerateResult>;
  doStream(options: CallOptions): Promise<StreamResult>;
}
