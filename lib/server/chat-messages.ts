/** OpenAI's messages as a chat's. */

import type { AssistantMessage, ModelMessage, ToolResultPart, UserMessage } from "../chat/index.js";
import { badRequest, unsupported } from "./api-error.js";
import type { ChatBody } from "./request-schemas.js";

type ApiMessage = ChatBody["messages"][number];
type Content = Extract<ApiMessage, { role: "user" }>["content"];

const textOf = (content: Content | null | undefined): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join("");

function userContent(content: Content): UserMessage["content"] {
  const [only] = typeof content === "string" ? [] : content;
  return typeof content !== "string" && content.length === 1 && only ? only.text : content;
}

/** As a chat keeps its own answers, so that what was answered is found in the next prompt. */
function assistantContent(
  { content, reasoning_content, tool_calls }: Extract<ApiMessage, { role: "assistant" }>,
  place: string,
): AssistantMessage["content"] {
  const text = textOf(content);
  const reasoning = reasoning_content ?? "";
  const calls = (tool_calls ?? []).map((call, i) => {
    const { name, arguments: json } = call.function;
    try {
      const input: unknown = json.trim() === "" ? {} : JSON.parse(json);
      return { type: "tool-call", toolCallId: call.id, toolName: name, input } as const;
    } catch {
      const param = `${place}.tool_calls.${i}.function.arguments`;
      throw badRequest(`invalid value for '${param}': expected JSON`, param);
    }
  });
  if (reasoning === "" && calls.length === 0) return text;
  return [
    ...(reasoning === "" ? [] : [{ type: "reasoning", text: reasoning } as const]),
    ...(text === "" ? [] : [{ type: "text", text } as const]),
    ...calls,
  ];
}

/** Throws a 400 for results without their calls, for input that is not JSON, and for names of who speaks. */
export function chatMessages(messages: ChatBody["messages"]): ModelMessage[] {
  const out: ModelMessage[] = [];
  /** Names by the ids of the calls of the last assistant's message. */
  let open = new Map<string, string>();
  let results: ToolResultPart[] | undefined;
  for (const [i, message] of messages.entries()) {
    const place = `messages.${i}`;
    // A tool's result may name the tool once more; other names no template is shown.
    if (message.name && message.role !== "tool") throw unsupported(`${place}.name`);
    if (message.role === "tool") {
      const toolName = open.get(message.tool_call_id);
      if (toolName === undefined)
        throw badRequest("expected the id of a call in the assistant's message before it", `${place}.tool_call_id`);
      if (message.name && message.name !== toolName)
        throw badRequest("expected the name of the tool that was called", `${place}.name`);
      const part: ToolResultPart = {
        ...{ type: "tool-result", toolCallId: message.tool_call_id, toolName },
        output: textOf(message.content),
      };
      if (results) results.push(part);
      else {
        results = [part];
        out.push({ role: "tool", content: results });
      }
      continue;
    }
    results = undefined;
    open = new Map();
    if (message.role === "assistant") {
      const content = assistantContent(message, place);
      if (content === "" && messages.length > i + 1 && message.content == null)
        throw badRequest("expected content or tool_calls", `${place}.content`);
      for (const { id, function: called } of message.tool_calls ?? []) open.set(id, called.name);
      out.push({ role: "assistant", content });
    } else if (message.role === "user") out.push({ role: "user", content: userContent(message.content) });
    else out.push({ role: "system", content: textOf(message.content) });
  }
  return out;
}
