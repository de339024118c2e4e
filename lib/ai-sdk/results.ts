/** What an answer tells of itself, in the SDK's shapes. */

import type { ChatAnswer, ChatFinishReason, ChatUsage } from "../chat/index.js";
import type { JsonObject, ModelFinishReason, ModelUsage } from "./specification.js";

const unified = {
  stop: "stop",
  length: "length",
  "tool-calls": "tool-calls",
  context: "length",
  abort: "other",
} as const satisfies Record<ChatFinishReason, ModelFinishReason["unified"]>;

export const modelFinishReason = (reason: ChatFinishReason): ModelFinishReason => ({
  unified: unified[reason],
  raw: reason,
});

export function modelUsage(usage: ChatUsage): ModelUsage {
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = usage;
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completionTokens, text: completionTokens - reasoningTokens, reasoning: reasoningTokens },
    raw: { ...usage },
  };
}

/** Usage where an answer failed. */
export const unknownUsage: ModelUsage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

/**
 * `providerMetadata.overfill`: how the three stages went, the usage in a chat's words, messages that were dropped, and
 * log-probabilities if they were asked for.
 */
export function answerMetadata({ steps, usage, droppedMessages, logProbs }: ChatAnswer): JsonObject {
  const [step] = steps;
  const figures = {
    usage,
    prefill: step?.prefill,
    handover: step?.handover,
    decode: step?.decode,
    droppedMessages,
    logProbs,
  };
  return figures as unknown as JsonObject;
}
