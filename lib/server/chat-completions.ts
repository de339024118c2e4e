/** `/v1/chat/completions`. */

import { randomUUID } from "node:crypto";
import type { ChatAnswer, ChatPart, ChatUsage, ToolCallPart } from "../chat/index.js";
import { refuseTooMany } from "./answer-options.js";
import { parseBody } from "./body.js";
import { type ChatRequest, toChatRequest } from "./chat-request.js";
import { answerEvents, wholeAnswers } from "./chat-run.js";
import { eventStream, type ServerEvent } from "./event-stream.js";
import type { Exchange } from "./exchange.js";
import { answerTimings, finishReason, joinedUsage, systemFingerprint, TokenTexts, usageBody } from "./figures.js";
import type { LoadedModel } from "./model-store.js";
import { type ChatBody, chatSchema, refusedInChat } from "./request-schemas.js";

/** What all that is said of a request has in common. */
const headOf = (object: string, model: string) => ({
  id: `chatcmpl-${randomUUID().replaceAll("-", "")}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model,
  system_fingerprint: systemFingerprint,
});

const callBody = ({ toolCallId, toolName, input }: ToolCallPart) => ({
  id: toolCallId,
  type: "function",
  function: { name: toolName, arguments: JSON.stringify(input) },
});

export async function chatCompletions(exchange: Exchange): Promise<Response> {
  const body = parseBody(chatSchema, exchange.body, refusedInChat);
  refuseTooMany(body.n ?? 1, exchange.limits.maxChoices, "n");
  const named = exchange.store.resolve(body.model);
  const model = await exchange.take(named);
  const asked = await toChatRequest(body, named, model);
  if (body.stream === true) return eventStream(exchange, chunks(model, asked, exchange, body));
  const answers = await wholeAnswers(model, asked, exchange, body.n ?? 1);
  const usage = joinedUsage(answers.map((answer) => answer.usage));
  exchange.usage = usage;
  const texts = new TokenTexts(model.pair);
  return Response.json({
    ...headOf("chat.completion", body.model ?? model.name),
    choices: await Promise.all(answers.map((answer, index) => choiceOf(answer, index, texts))),
    usage: usageBody(usage),
    timings: answers[0] && answerTimings(answers[0]),
  });
}

async function choiceOf(answer: ChatAnswer, index: number, texts: TokenTexts) {
  const { text, reasoning, toolCalls, logProbs } = answer;
  return {
    index,
    message: {
      role: "assistant",
      content: text === "" && toolCalls.length > 0 ? null : text,
      refusal: null,
      ...(reasoning !== "" && { reasoning_content: reasoning }),
      ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(callBody) }),
    },
    logprobs: logProbs ? { content: await texts.content(logProbs), refusal: null } : null,
    finish_reason: finishReason(answer.finishReason),
  };
}

/** Numbers the calls of an answer. */
class CallNumbers {
  readonly #ids: string[] = [];

  /** What a piece of a call adds to the message; the name comes with the first. */
  delta({ toolCallId, toolName, inputDelta }: Extract<ChatPart, { type: "tool-call-delta" }>) {
    const known = this.#ids.indexOf(toolCallId);
    if (known >= 0) return { index: known, function: { arguments: inputDelta } };
    const index = this.#ids.push(toolCallId) - 1;
    return { index, id: toolCallId, type: "function", function: { name: toolName, arguments: inputDelta } };
  }
}

function deltaOf(part: ChatPart, calls: CallNumbers): object | undefined {
  switch (part.type) {
    case "text":
      return { content: part.text };
    case "reasoning":
      return { reasoning_content: part.text };
    case "tool-call-delta":
      return { tool_calls: [calls.delta(part)] };
    default:
      return undefined;
  }
}

async function* chunks(
  model: LoadedModel,
  asked: ChatRequest,
  exchange: Exchange,
  body: ChatBody,
): AsyncGenerator<ServerEvent, void> {
  const n = body.n ?? 1;
  const head = headOf("chat.completion.chunk", body.model ?? model.name);
  const wantsUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: readonly object[], more: object = {}): ServerEvent => ({
    data: { ...head, choices, ...(wantsUsage && { usage: null }), ...more },
  });
  const choice = (index: number, delta: object, reason: string | null = null, logprobs: object | null = null) =>
    chunk([{ index, delta, logprobs, finish_reason: reason }]);
  const texts = new TokenTexts(model.pair);
  const calls = Array.from({ length: n }, () => new CallNumbers());
  const begun = new Set<number>();
  const usages: ChatUsage[] = [];
  let timings: object | undefined;
  for await (const event of answerEvents(model, asked, exchange, n)) {
    const { index } = event;
    if (!begun.has(index)) yield choice(index, { role: "assistant", content: null });
    begun.add(index);
    if ("part" in event) {
      const delta = deltaOf(event.part, calls[index] as CallNumbers);
      if (delta) yield choice(index, delta);
      continue;
    }
    const { answer } = event;
    usages.push(answer.usage);
    timings = answerTimings(answer);
    if (answer.logProbs)
      yield choice(index, {}, null, { content: await texts.content(answer.logProbs), refusal: null });
    const isLast = usages.length === n;
    const ending = [{ index, delta: {}, logprobs: null, finish_reason: finishReason(answer.finishReason) }];
    yield chunk(ending, isLast && !wantsUsage ? { timings } : {});
  }
  exchange.usage = joinedUsage(usages);
  if (wantsUsage) yield chunk([], { usage: usageBody(exchange.usage), timings });
  yield { data: "[DONE]" };
}
