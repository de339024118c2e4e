/** What a conversation shows beside its answers. */

import stringWidth from "string-width";
import type { ChatAnswer, ChatFinishReason, ChatStep, ToolCallPart, ToolResultPart } from "../../../chat/index.js";
import type { Pair } from "../../../engine/index.js";
import { formatCount } from "../../number-format.js";
import { stageSummary } from "../../stage-summary.js";
import { renderList } from "../../tables.js";
import { columnsOf } from "../../terminal.js";
import { visible, visibleText } from "../../visible.js";

/** Longer lines are cut, on a wider terminal and in a file as well. */
const widestLine = 100;

const asText = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/** One line, cut where the terminal ends. */
function oneLine(text: string): string {
  const width = Math.min(widestLine, columnsOf(process.stderr) - 1);
  const line = visibleText(text);
  if (stringWidth(line) <= width) return line;
  let cut = "";
  for (const character of line) {
    if (stringWidth(cut) + stringWidth(character) >= width) break;
    cut += character;
  }
  return `${cut}…`;
}

export const renderCall = ({ toolName, input }: ToolCallPart): string => oneLine(`→ ${toolName} ${asText(input)}`);

export const renderResult = ({ toolName, output, isError }: ToolResultPart): string =>
  oneLine(`← ${toolName}${isError ? " failed:" : ""} ${asText(output)}`);

const endings: Readonly<Partial<Record<ChatFinishReason, string>>> = {
  length: "--max-tokens was reached",
  context: "the context is full",
  "tool-calls": "--max-steps was reached: the last calls were not made",
};

/** What there is to say about the end of an answer, a line each. */
export function renderEnding({ finishReason, droppedMessages }: ChatAnswer): readonly string[] {
  const dropped = `the context was full: ${formatCount(droppedMessages)} of the oldest messages are left out from now on`;
  return [...(droppedMessages > 0 ? [dropped] : []), ...[endings[finishReason] ?? []].flat()];
}

/** How the stages of the last run of the model went, and what the conversation comes to. */
export function renderStats(step: ChatStep, messages: number, { contextSize }: Pair["info"]): string {
  const { promptTokens, cachedTokens, refreshedTokens, completionTokens, reasoningTokens } = step.usage;
  const held = [
    `${formatCount(promptTokens)} tokens`,
    `${formatCount(cachedTokens)} in the cache`,
    ...(refreshedTokens > 0 ? [`${formatCount(refreshedTokens)} read again`] : []),
  ];
  const thought = reasoningTokens > 0 ? `, ${formatCount(reasoningTokens)} of them reasoning` : "";
  const rows = [
    ["prompt", held.join(", ")],
    ["answer", `${formatCount(completionTokens)} tokens${thought}`],
    ["context", `${formatCount(promptTokens + completionTokens)} of ${formatCount(contextSize)} tokens`],
    ["messages", formatCount(messages)],
  ] as const;
  return `${stageSummary(visible(step))}\n${renderList(rows).replace(/^ {2}/gm, "")}`;
}

/** @param commands usage and meaning of each */
export const renderHelp = (commands: readonly (readonly [usage: string, help: string])[]): string =>
  `${renderList(commands)}\n\nEverything else is a message. Begin one with a space if it starts with a slash.`;
