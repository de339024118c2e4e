/** Answers while they are written and what came of them, as text. */

import type { AnswerProgress, AnswerPromptsResult } from "../../../eval/index.js";
import { formatCount, formatDuration, formatMs, formatSpeed } from "../../number-format.js";
import { quoted } from "../../shell-words.js";
import { renderTable } from "../../tables.js";

/** What stands behind the bar. */
export function detailOfAnswers({ stage, prompts, totalPrompts, kept, tokensPerSecond }: AnswerProgress): string {
  if (stage === "loading") return "";
  const speed = tokensPerSecond > 0 ? formatSpeed(tokensPerSecond) : "";
  return [`${formatCount(prompts)}/${formatCount(totalPrompts)}`, `${formatCount(kept)} kept`, speed]
    .filter(Boolean)
    .join(", ");
}

/** Where an interrupted run stopped, and how to go on. */
export function describeStop(done: number, total: number, out: string): string {
  const place = `Stopped after ${formatCount(done)} of ${formatCount(total)} prompts.`;
  return `${place} The same command with --resume goes on in ${out}.`;
}

/** @param maxTokens if they were given */
export function renderAnswers(result: AnswerPromptsResult, maxTokens = 256): string {
  const { path, prompts, firstPrompt, answers, kept, cutOff, duplicates, failed, tokens, badLines, ms } = result;
  const resumed = firstPrompt === undefined ? "" : `, from ${formatCount(firstPrompt + 1)} on`;
  const rows = [
    ["prompts", `${formatCount(prompts)}${resumed}`],
    ["answers", formatCount(answers)],
    ["kept", formatCount(kept)],
    ["left out: cut off", formatCount(cutOff)],
    ["left out: nearly repeated", formatCount(duplicates)],
    ["left out: empty or no text", formatCount(failed)],
    ["tokens written", formatCount(tokens)],
    ["speed", formatSpeed(result.tokensPerSecond)],
  ];
  const parts = [renderTable(["", "answers"], rows, [1])];
  if (badLines.length > 0)
    parts.push(`${formatCount(badLines.length)} bad ${badLines.length === 1 ? "line was" : "lines were"} skipped.`);
  if (2 * cutOff > answers)
    parts.push(`Most answers are longer than ${formatCount(maxTokens)} tokens: raise --max-tokens, or name a --stop.`);
  const time = ms < 60_000 ? formatMs(ms) : formatDuration(ms);
  parts.push(`${path}: ${formatCount(kept)} ${kept === 1 ? "line" : "lines"}, in ${time}`);
  if (kept > 0) parts.push(`Next: overfill heal STUDENT --full MODEL --data ${quoted(path)} -o HEALED`);
  return parts.join("\n\n");
}
