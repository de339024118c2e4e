/** A body of `/v1/responses` as one of chat completions. */

import type { ChatAnswer } from "../chat/index.js";
import { withoutUndefined } from "./answer-options.js";
import { badRequest } from "./api-error.js";
import type { ChatBody } from "./request-schemas.js";
import type { InputItem, ResponsesBody } from "./responses-schema.js";

type ApiMessage = ChatBody["messages"][number];
type AssistantMessage = Extract<ApiMessage, { role: "assistant" }>;

const textOf = (content: string | readonly { readonly text: string }[]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

const callOf = ({ call_id, name, arguments: json }: Extract<InputItem, { type: "function_call" }>) => ({
  id: call_id,
  type: "function" as const,
  function: { name, arguments: json },
});

/** What an assistant's item adds to a message; undefined for the others. */
function assistantPart(item: InputItem): Partial<AssistantMessage> | undefined {
  if (item.type === "reasoning") {
    const text = textOf(item.content ?? item.summary ?? []);
    return text === "" ? {} : { reasoning_content: text };
  }
  if (item.type === "function_call") return { tool_calls: [callOf(item)] };
  if (item.type !== "function_call_output" && item.role === "assistant") return { content: textOf(item.content) };
  return undefined;
}

/** Items of one answer (reasoning, a text, calls) are one message of a chat. */
function messagesOf(input: ResponsesBody["input"]): ApiMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const messages: ApiMessage[] = [];
  let answer: { -readonly [Name in keyof AssistantMessage]: AssistantMessage[Name] } | undefined;
  for (const item of input) {
    const part = assistantPart(item);
    if (part) {
      // A text behind calls, and a text or reasoning behind a text, is another answer's. Calls stay together for their results.
      const hasCalls = answer?.tool_calls !== undefined;
      const hasText = answer?.content != null;
      const isNext =
        part.content != null ? hasText || hasCalls : part.reasoning_content != null && hasText && !hasCalls;
      if (!answer || isNext) {
        answer = { role: "assistant" };
        messages.push(answer);
      }
      if (part.content != null) answer.content = part.content;
      if (part.reasoning_content != null)
        answer.reasoning_content = [answer.reasoning_content ?? [], part.reasoning_content].flat().join("\n");
      if (part.tool_calls) answer.tool_calls = [...(answer.tool_calls ?? []), ...part.tool_calls];
      continue;
    }
    answer = undefined;
    if (item.type === "function_call_output")
      messages.push({ role: "tool", tool_call_id: item.call_id, content: textOf(item.output) });
    else if (item.type !== "reasoning" && item.type !== "function_call")
      messages.push({ role: item.role as "user" | "system" | "developer", content: textOf(item.content) });
  }
  return messages;
}

function formatOf(text: ResponsesBody["text"]): ChatBody["response_format"] {
  const format = text?.format;
  if (format?.type !== "json_schema") return format;
  const { type, ...json_schema } = format;
  return { type, json_schema };
}

function toolChoiceOf(choice: ResponsesBody["tool_choice"]): ChatBody["tool_choice"] {
  return typeof choice === "object" ? { type: "function", function: { name: choice.name } } : choice;
}

/** Throws a 400. @param before what was said in the response that it goes on with */
export function toChatBody(body: ResponsesBody, before: ChatBody["messages"]): ChatBody {
  const { instructions, tools } = body;
  const said = messagesOf(body.input);
  if (said.length === 0) throw badRequest("expected a message", "input");
  return withoutUndefined<ChatBody>({
    model: body.model,
    messages: [
      ...(instructions === undefined ? [] : [{ role: "system", content: instructions } as const]),
      ...before,
      ...said,
    ],
    temperature: body.temperature,
    top_p: body.top_p,
    max_completion_tokens: body.max_output_tokens,
    tools: tools?.map(({ type, ...tool }) => ({ type, function: tool })),
    tool_choice: toolChoiceOf(body.tool_choice),
    parallel_tool_calls: tools?.length ? body.parallel_tool_calls : undefined,
    response_format: formatOf(body.text),
    reasoning_effort: body.reasoning?.effort ?? undefined,
  });
}

/** The answer as the next request finds it. */
export const answerMessage = ({ text, reasoning, toolCalls }: ChatAnswer): AssistantMessage => ({
  role: "assistant",
  content: text,
  ...(reasoning !== "" && { reasoning_content: reasoning }),
  ...(toolCalls.length > 0 && {
    tool_calls: toolCalls.map(({ toolCallId, toolName, input }) => ({
      id: toolCallId,
      type: "function" as const,
      function: { name: toolName, arguments: JSON.stringify(input) },
    })),
  }),
});
