/** An answer as it grows: what each chunk of the stream adds to it. */

import { readFigures } from "./figures.js";
import type { AssistantMessage, ToolCall } from "./messages.js";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

export const beginAnswer = (model: string): AssistantMessage => ({
  role: "assistant",
  state: "streaming",
  model,
  text: "",
  reasoning: "",
  toolCalls: [],
});

/** Calls come in pieces: the name first, then the arguments bit by bit, each with the call's place in the answer. */
function addToolCalls(calls: readonly ToolCall[], deltas: unknown): readonly ToolCall[] {
  if (!Array.isArray(deltas) || deltas.length === 0) return calls;
  const next = [...calls];
  for (const delta of deltas.filter(isFields)) {
    const at = typeof delta.index === "number" && delta.index <= next.length ? delta.index : next.length;
    const { id, name, arguments: input } = next[at] ?? { id: "", name: "", arguments: "" };
    const added = isFields(delta.function) ? delta.function : {};
    next[at] = {
      id: id || textOf(delta.id) || `call-${at}`,
      name: name + textOf(added.name),
      arguments: input + textOf(added.arguments),
    };
  }
  return next;
}

/** The answer with a chunk of the stream added. What the chunk does not say stays as it is. */
export function addChunk(answer: AssistantMessage, chunk: unknown): AssistantMessage {
  if (!isFields(chunk)) return answer;
  const choices: readonly unknown[] = Array.isArray(chunk.choices) ? chunk.choices : [];
  const choice = choices.filter(isFields).find(({ index }) => index === undefined || index === 0) ?? {};
  const delta = isFields(choice.delta) ? choice.delta : {};
  const usage = isFields(chunk.usage) ? chunk.usage : answer.usage;
  const timings = isFields(chunk.timings) ? chunk.timings : answer.timings;
  return {
    ...answer,
    text: answer.text + textOf(delta.content) + textOf(delta.refusal),
    reasoning: answer.reasoning + textOf(delta.reasoning_content),
    toolCalls: addToolCalls(answer.toolCalls, delta.tool_calls),
    finishReason: typeof choice.finish_reason === "string" ? choice.finish_reason : answer.finishReason,
    usage,
    timings,
    figures: usage === answer.usage && timings === answer.timings ? answer.figures : readFigures(usage, timings),
  };
}

const endings: Readonly<Record<string, string>> = {
  length: "The answer was cut at the limit of tokens.",
  content_filter: "The server cut the answer.",
};

/** What there is to say about how an answer ended, if anything. */
export function endingOf({ state, finishReason, error }: AssistantMessage): string | undefined {
  if (state === "failed") return error;
  if (state === "stopped") return "Stopped.";
  return state === "done" ? endings[finishReason ?? ""] : undefined;
}
