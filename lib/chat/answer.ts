/** What an answer consists of: its parts as they come, and the whole. */

import type { DecodeChunk } from "../engine/options.js";
import type { DecodeResult, HandoverReport, PrefillResult } from "../engine/results.js";
import type { ModelMessage, ToolCallPart, ToolResultPart } from "./messages.js";

/**
 * Why an answer ended: `stop` the model ended it or a stop string came, `length` maxTokens was reached, `tool-calls` it ended
 * with calls that were not run (no `execute`, or `maxSteps` was reached), `context` the context is full, `abort` it was
 * stopped.
 */
export type ChatFinishReason = "stop" | "length" | "tool-calls" | "context" | "abort";

/** Tokens of an answer. Of several steps it is the sum. */
export interface ChatUsage {
  /** Of the rendered chat. */
  readonly promptTokens: number;
  /** Those of them that the session held and that were not read again. */
  readonly cachedTokens: number;
  /** Those of them that the decode model had written and that the prefill model read again. */
  readonly refreshedTokens: number;
  /** Tokens written, reasoning and tool calls included. */
  readonly completionTokens: number;
  /** Those of them that the reasoning's text takes. */
  readonly reasoningTokens: number;
}

/** One run of the model: from a rendered chat to the end of an answer, or to calls of tools. */
export interface ChatStep {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallPart[];
  readonly toolResults: readonly ToolResultPart[];
  readonly finishReason: ChatFinishReason;
  readonly usage: ChatUsage;
  /** How the stages went. */
  readonly prefill: PrefillResult;
  readonly handover: HandoverReport;
  readonly decode: DecodeResult;
}

/** A whole answer. `text`, `reasoning`, `toolCalls` and `finishReason` are those of its last step. */
export interface ChatAnswer<Output = unknown> {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallPart[];
  /** With `schema`: the answer as the schema has it; undefined where the answer was cut short. */
  readonly object: Output | undefined;
  readonly finishReason: ChatFinishReason;
  readonly usage: ChatUsage;
  readonly steps: readonly ChatStep[];
  /** What the answer added to the chat. */
  readonly messages: readonly ModelMessage[];
  /** Messages that were dropped to make room ({@link ChatOptions.overflow}). */
  readonly droppedMessages: number;
  /** With `logProbs`: an entry for each token of the last step. */
  readonly logProbs?: NonNullable<DecodeChunk["logProbs"]>;
}

/** A piece of an answer as it comes. */
export type ChatPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  /** With `schema`: what can be read of the object so far. */
  | { readonly type: "object"; readonly object: unknown }
  /** A call that the model writes: `inputDelta` is a piece of the input's JSON. */
  | {
      readonly type: "tool-call-delta";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly inputDelta: string;
    }
  | ToolCallPart
  | ToolResultPart
  /** A step has ended; calls of tools may follow. */
  | { readonly type: "finish-step"; readonly finishReason: ChatFinishReason; readonly usage: ChatUsage }
  /** The last part. */
  | { readonly type: "finish"; readonly finishReason: ChatFinishReason; readonly usage: ChatUsage };

/** The sum of the usages of steps. */
export function totalUsage(steps: readonly ChatStep[]): ChatUsage {
  const sum = (name: keyof ChatUsage) => steps.reduce((total, { usage }) => total + usage[name], 0);
  return {
    promptTokens: sum("promptTokens"),
    cachedTokens: sum("cachedTokens"),
    refreshedTokens: sum("refreshedTokens"),
    completionTokens: sum("completionTokens"),
    reasoningTokens: sum("reasoningTokens"),
  };
}
