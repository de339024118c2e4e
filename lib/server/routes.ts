/** The endpoints: their paths, what answers them, and what the OpenAPI document says of them. */

import type { z } from "@hono/zod-openapi";
import { cellsType } from "../reader/cell-frames.js";
import { chatCompletions } from "./chat-completions.js";
import { completions } from "./completions.js";
import type { Exchange } from "./exchange.js";
import { listModels, modelOf, sessionsView } from "./model-views.js";
import { describePrefill, prefill } from "./prefill.js";
import { chatSchema, completionSchema, detokenizeSchema, prefillSchema, tokenizeSchema } from "./request-schemas.js";
import { deleteResponse, getResponse, responses } from "./responses.js";
import { responsesSchema } from "./responses-schema.js";
import { applyTemplate, detokenize, inputTokens, tokenize } from "./tokens.js";

/** An endpoint that needs a key where there are any. */
export interface Endpoint {
  readonly method: "get" | "post" | "delete";
  /** The first is the one of the document; the others are what llama.cpp's clients use. */
  readonly paths: readonly string[];
  readonly summary: string;
  readonly body?: z.ZodType;
  /** Its own names for parameters of chat completions. */
  readonly names?: Readonly<Record<string, string>>;
  /** Answers with server-sent events if the body says `stream`. */
  readonly streams?: boolean;
  /** What it answers with, unless that is JSON. */
  readonly answerType?: string;
  readonly answer: (exchange: Exchange, id: string) => Promise<Response> | Response;
}

export const endpoints: readonly Endpoint[] = [
  {
    ...{ method: "post", paths: ["/v1/chat/completions", "/chat/completions"], summary: "Answer a chat" },
    ...{ body: chatSchema, streams: true, answer: chatCompletions },
  },
  {
    ...{ method: "post", paths: ["/v1/completions"], summary: "Go on with a text" },
    ...{ body: completionSchema, streams: true, answer: completions, names: { messages: "prompt" } },
  },
  {
    ...{ method: "post", paths: ["/v1/responses", "/responses"], summary: "Answer in OpenAI's newer form" },
    ...{ body: responsesSchema, streams: true, answer: responses },
    names: {
      messages: "input",
      max_completion_tokens: "max_output_tokens",
      response_format: "text.format",
      reasoning_effort: "reasoning.effort",
    },
  },
  {
    ...{ method: "get", paths: ["/v1/responses/:id"], summary: "A response that is kept", answer: getResponse },
  },
  {
    ...{ method: "delete", paths: ["/v1/responses/:id"], summary: "Forget a response", answer: deleteResponse },
  },
  {
    ...{ method: "get", paths: ["/v1/prefill"], summary: "What prompts are read with for writers on other machines" },
    answer: describePrefill,
  },
  {
    ...{ method: "post", paths: ["/v1/prefill"], summary: "Read a prompt for a writer on another machine" },
    ...{ body: prefillSchema, answer: prefill, answerType: cellsType },
    names: { prompt: "tokens", messages: "tokens" },
  },
  { ...{ method: "get", paths: ["/v1/models", "/models"], summary: "The models", answer: listModels } },
  { ...{ method: "get", paths: ["/v1/models/:id"], summary: "A model", answer: modelOf } },
  {
    ...{ method: "post", paths: ["/v1/chat/completions/input_tokens", "/chat/completions/input_tokens"] },
    ...{ summary: "How many tokens a chat takes", body: chatSchema, answer: inputTokens },
  },
  {
    ...{ method: "post", paths: ["/apply-template"], summary: "A chat as the model's template renders it" },
    ...{ body: chatSchema, answer: applyTemplate },
  },
  {
    ...{ method: "post", paths: ["/tokenize"], summary: "A text as tokens", body: tokenizeSchema, answer: tokenize },
  },
  {
    ...{ method: "post", paths: ["/detokenize"], summary: "Tokens as a text", body: detokenizeSchema },
    answer: detokenize,
  },
  { ...{ method: "get", paths: ["/slots"], summary: "The sessions of the models", answer: sessionsView } },
];
