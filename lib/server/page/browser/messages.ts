/** What a conversation consists of. Messages are never changed, only replaced. */

import type { Figures } from "./figures.js";

export interface UserMessage {
  readonly role: "user";
  readonly text: string;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The JSON that the model wrote, which may be broken where the answer was cut short. */
  readonly arguments: string;
}

/** `streaming` it is being written, `done` the model ended it, `stopped` the user did, `failed` see `error`. */
export type AnswerState = "streaming" | "done" | "stopped" | "failed";

export interface AssistantMessage {
  readonly role: "assistant";
  readonly state: AnswerState;
  /** The name that was asked for, with the dial. */
  readonly model: string;
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason?: string | undefined;
  readonly error?: string | undefined;
  readonly figures?: Figures | undefined;
  /** The server's own `usage` and `timings`, for the export. */
  readonly usage?: unknown;
  readonly timings?: unknown;
  /** How long the model thought before the text began, by this page's clock. */
  readonly reasoningMs?: number | undefined;
}

export interface ToolMessage {
  readonly role: "tool";
  readonly toolCallId: string;
  readonly name: string;
  readonly text: string;
}

export type Message = UserMessage | AssistantMessage | ToolMessage;

/** A message of a request, in OpenAI's words. */
export type RequestMessage =
  | { readonly role: "system" | "user"; readonly content: string }
  | {
      readonly role: "assistant";
      readonly content: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly {
        readonly id: string;
        readonly type: "function";
        readonly function: { readonly name: string; readonly arguments: string };
      }[];
    }
  | { readonly role: "tool"; readonly tool_call_id: string; readonly content: string };

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The calls that were written to their end; of others the server cannot tell what they ask for. */
export const wholeCalls = ({ toolCalls, state }: AssistantMessage): readonly ToolCall[] =>
  toolCalls.filter(
    // A call without arguments may have no text of them at all, as one has whose text has yet to come.
    ({ name, arguments: input }) => name !== "" && (isJson(input) || (state === "done" && input.trim() === "")),
  );

/** Whether there is anything in an answer that a model could be told of. */
export const isEmptyAnswer = (message: AssistantMessage): boolean =>
  message.text === "" && wholeCalls(message).length === 0;

function requestMessage(message: Message): RequestMessage {
  if (message.role === "user") return { role: "user", content: message.text };
  if (message.role === "tool") return { role: "tool", tool_call_id: message.toolCallId, content: message.text };
  const calls = wholeCalls(message);
  const reasoning = message.reasoning === "" ? {} : { reasoning_content: message.reasoning };
  if (calls.length === 0) return { role: "assistant", content: message.text, ...reasoning };
  return {
    role: "assistant",
    content: message.text === "" ? null : message.text,
    ...reasoning,
    tool_calls: calls.map(({ id, name, arguments: input }) => ({
      id,
      type: "function",
      function: { name, arguments: input },
    })),
  };
}

/** What an unanswered call is answered with, since a model must be told of every call that it made. */
const noResult = "No result was given.";

/** The calls of the last answer that no message answers yet. */
export function openToolCalls(messages: readonly Message[]): readonly ToolCall[] {
  const at = messages.findLastIndex(({ role }) => role === "assistant");
  const answer = messages[at];
  if (answer?.role !== "assistant") return [];
  const answered = new Set(messages.slice(at + 1).flatMap((each) => (each.role === "tool" ? [each.toolCallId] : [])));
  return wholeCalls(answer).filter(({ id }) => !answered.has(id));
}

/** The messages with every open call answered: by the results given, or by saying that there is none. */
export function withToolResults(
  messages: readonly Message[],
  results: Readonly<Record<string, string>> = {},
): readonly Message[] {
  const added = openToolCalls(messages).map(
    ({ id, name }): ToolMessage => ({ role: "tool", toolCallId: id, name, text: results[id]?.trim() || noResult }),
  );
  return added.length === 0 ? messages : [...messages, ...added];
}

/**
 * The messages of a request. Answers in which nothing was written are left out, and what the user said around them becomes one
 * message, since many templates want user and assistant in turns.
 */
export function requestMessages(messages: readonly Message[], system: string): readonly RequestMessage[] {
  const requested: RequestMessage[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
  for (const message of messages) {
    if (message.role === "assistant" && isEmptyAnswer(message)) continue;
    const next = requestMessage(message);
    const last = requested.at(-1);
    if (next.role === "user" && last?.role === "user")
      requested[requested.length - 1] = { role: "user", content: `${last.content}\n\n${next.content}` };
    else requested.push(next);
  }
  return requested;
}
