/** The AI SDK's prompt as messages of a chat. */

import type { AssistantMessage, ModelMessage, ToolResultPart } from "../chat/index.js";
import { unsupported } from "./sdk-errors.js";
import type { PromptMessage, ToolResultOutput } from "./specification.js";

type Of<Role> = Extract<PromptMessage, { readonly role: Role }>["content"];

function userContent(content: Of<"user">, place: string) {
  const texts = content.map((part) => {
    if (part.type !== "text") throw unsupported(`files (${part.mediaType})`, place);
    return { type: "text", text: part.text } as const;
  });
  const [only] = texts;
  return only && texts.length === 1 ? only.text : texts;
}

/** As a chat keeps its own answers, so that what was answered is found in the next prompt. */
function assistantContent(content: Of<"assistant">, place: string): AssistantMessage["content"] {
  const parts = content.map((part) => {
    switch (part.type) {
      case "text":
      case "reasoning":
        return { type: part.type, text: part.text } as const;
      case "tool-call": {
        const { type, toolCallId, toolName, input } = part;
        return { type, toolCallId, toolName, input };
      }
      case "file":
        throw unsupported(`files (${part.mediaType})`, place);
      default:
        throw unsupported("results of tools that a provider ran", place);
    }
  });
  const [only] = parts;
  return only?.type === "text" && parts.length === 1 ? only.text : parts;
}

function resultOf(output: ToolResultOutput, place: string): Pick<ToolResultPart, "output" | "isError"> {
  switch (output.type) {
    case "error-text":
    case "error-json":
      return { output: output.value, isError: true };
    case "execution-denied":
      return { output: output.reason ?? "The call was denied." };
    case "content": {
      const texts = output.value.map((part) => {
        if (part.type !== "text") throw unsupported(`results of tools that are not text (${part.type})`, place);
        return part.text;
      });
      return { output: texts.join("\n") };
    }
    default:
      return { output: output.value };
  }
}

function toolResults(content: Of<"tool">, place: string): ToolResultPart[] {
  return content.flatMap((part) => {
    // An approval tells the SDK to run the call; the model sees what comes of it.
    if (part.type !== "tool-result") return [];
    const { type, toolCallId, toolName, output } = part;
    return [{ type, toolCallId, toolName, ...resultOf(output, place) }];
  });
}

function chatMessage(message: PromptMessage, place: string): ModelMessage | undefined {
  switch (message.role) {
    case "system":
      return { role: "system", content: message.content };
    case "user":
      return { role: "user", content: userContent(message.content, place) };
    case "assistant":
      return { role: "assistant", content: assistantContent(message.content, place) };
    case "tool": {
      const content = toolResults(message.content, place);
      return content.length > 0 ? { role: "tool", content } : undefined;
    }
  }
}

/** Throws what the SDK knows as UnsupportedFunctionalityError for everything that is not text. */
export function chatMessages(prompt: readonly PromptMessage[]): ModelMessage[] {
  return prompt.flatMap((message, i) => chatMessage(message, `prompt.${i}`) ?? []);
}
