/** `/v1/responses`: OpenAI's newer form of chats, with items for messages and an event for each step of a stream. */

import { randomUUID } from "node:crypto";
import type { ChatAnswer, ChatUsage } from "../chat/index.js";
import { parseBody } from "./body.js";
import { toChatRequest } from "./chat-request.js";
import { answerEvents, wholeAnswers } from "./chat-run.js";
import { eventStream, type ServerEvent } from "./event-stream.js";
import type { Exchange } from "./exchange.js";
import { answerTimings } from "./figures.js";
import type { ChatBody } from "./request-schemas.js";
import { answerMessage, toChatBody } from "./response-input.js";
import { type ResponseEvent, ResponseItems } from "./response-items.js";
import { type ResponsesBody, refusedInResponses, responsesSchema } from "./responses-schema.js";

const usageOf = ({ promptTokens, cachedTokens, completionTokens, reasoningTokens }: ChatUsage) => ({
  input_tokens: promptTokens,
  input_tokens_details: { cached_tokens: cachedTokens },
  output_tokens: completionTokens,
  output_tokens_details: { reasoning_tokens: reasoningTokens },
  total_tokens: promptTokens + completionTokens,
});

/** The response without its output, as it stands when it begins. */
const emptyResponse = (body: ResponsesBody, model: string) => ({
  id: `resp_${randomUUID().replaceAll("-", "")}`,
  object: "response",
  created_at: Math.floor(Date.now() / 1000),
  status: "in_progress",
  background: false,
  error: null,
  incomplete_details: null,
  instructions: body.instructions ?? null,
  max_output_tokens: body.max_output_tokens ?? null,
  metadata: body.metadata ?? {},
  model,
  output: [] as readonly object[],
  parallel_tool_calls: body.parallel_tool_calls ?? true,
  previous_response_id: body.previous_response_id ?? null,
  reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
  store: body.store ?? true,
  temperature: body.temperature ?? null,
  text: { format: body.text?.format ?? { type: "text" } },
  tool_choice: body.tool_choice ?? "auto",
  tools: body.tools ?? [],
  top_p: body.top_p ?? null,
  truncation: "disabled",
  usage: null as object | null,
  user: body.user ?? null,
});

type ResponseBody = ReturnType<typeof emptyResponse>;

function finished(
  begun: ResponseBody,
  answer: ChatAnswer,
  items: ResponseItems,
): ResponseBody & { output_text: string; timings?: object } {
  const isCut = answer.finishReason === "length" || answer.finishReason === "context";
  const timings = answerTimings(answer);
  return {
    ...begun,
    status: isCut ? "incomplete" : "completed",
    ...(isCut && { incomplete_details: { reason: "max_output_tokens" } as never }),
    output: items.list,
    // OpenAI's client makes it of the output, but not of a stream's.
    output_text: answer.text,
    usage: usageOf(answer.usage),
    ...(timings && { timings }),
  };
}

export async function responses(exchange: Exchange): Promise<Response> {
  const body = parseBody(responsesSchema, exchange.body, refusedInResponses);
  const { caller, store, responses: kept } = exchange;
  const earlier = body.previous_response_id;
  const before = earlier === undefined ? [] : kept.get(earlier, caller.cacheKey, "previous_response_id").messages;
  const named = store.resolve(body.model);
  const chatBody = toChatBody(body, before);
  const model = await exchange.take(named);
  const asked = await toChatRequest(chatBody, named, model);
  const begun = emptyResponse(body, body.model ?? model.name);
  const keep = (response: ResponseBody, answer: ChatAnswer) => {
    exchange.usage = answer.usage;
    if (body.store === false) return;
    const said = chatBody.messages.filter(
      ({ role }, i) => !(i === 0 && role === "system" && body.instructions !== undefined),
    );
    const messages: ChatBody["messages"] = [...said, answerMessage(answer)];
    kept.keep(response.id, { body: response, messages }, caller.cacheKey);
  };
  if (body.stream === true) {
    const sequence = { next: 0 };
    const events = responseEvents(begun, answerEvents(model, asked, exchange, 1), sequence, keep);
    return eventStream(exchange, events, (error) => ({
      event: "error",
      data: {
        type: "error",
        sequence_number: sequence.next++,
        code: error.facts.code ?? null,
        message: error.message,
        param: error.facts.param ?? null,
      },
    }));
  }
  const [answer] = await wholeAnswers(model, asked, exchange, 1);
  const items = new ResponseItems();
  items.whole(answer as ChatAnswer);
  const response = finished(begun, answer as ChatAnswer, items);
  keep(response, answer as ChatAnswer);
  return Response.json(response);
}

async function* responseEvents(
  begun: ResponseBody,
  events: ReturnType<typeof answerEvents>,
  sequence: { next: number },
  keep: (response: ResponseBody, answer: ChatAnswer) => void,
): AsyncGenerator<ServerEvent, void> {
  const event = ({ type, ...rest }: ResponseEvent): ServerEvent => ({
    event: type,
    data: { type, sequence_number: sequence.next++, ...rest },
  });
  const items = new ResponseItems();
  let isBegun = false;
  for await (const one of events) {
    if (!isBegun) {
      yield event({ type: "response.created", response: begun });
      yield event({ type: "response.in_progress", response: begun });
    }
    isBegun = true;
    if ("part" in one) {
      for (const told of items.add(one.part)) yield event(told);
      continue;
    }
    const { answer } = one;
    const isCut = answer.finishReason === "length" || answer.finishReason === "context";
    for (const told of items.end(isCut)) yield event(told);
    const response = finished(begun, answer, items);
    keep(response, answer);
    yield event({ type: `response.${response.status}`, response });
  }
}

export const getResponse = ({ responses: kept, caller }: Exchange, id: string): Response =>
  Response.json(kept.get(id, caller.cacheKey).body);

export function deleteResponse({ responses: kept, caller }: Exchange, id: string): Response {
  kept.get(id, caller.cacheKey);
  kept.delete(id, caller.cacheKey);
  return Response.json({ id, object: "response", deleted: true });
}
