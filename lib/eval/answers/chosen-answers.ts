/** Which of the answers to a prompt become lines of training data, and as what. */

import type { GeneratedAnswer } from "../../engine/index.js";
import type { AskedPrompt } from "../data/prompt-shapes.js";
import { KeptAnswers } from "./near-duplicates.js";

/** What became of answers, counted. */
export interface AnswerCounts {
  readonly answers: number;
  readonly kept: number;
  readonly cutOff: number;
  readonly duplicates: number;
  readonly failed: number;
  readonly tokens: number;
}

export const noAnswers: AnswerCounts = { answers: 0, kept: 0, cutOff: 0, duplicates: 0, failed: 0, tokens: 0 };

export function sumOfCounts(a: AnswerCounts, b: AnswerCounts): AnswerCounts {
  return {
    answers: a.answers + b.answers,
    kept: a.kept + b.kept,
    cutOff: a.cutOff + b.cutOff,
    duplicates: a.duplicates + b.duplicates,
    failed: a.failed + b.failed,
    tokens: a.tokens + b.tokens,
  };
}

export interface ChoiceOptions {
  readonly keepCut: boolean;
  readonly keepDuplicates: boolean;
  readonly similarity: number;
}

/** The lines of those that stay, each with its line break, and the counts of all. */
export function chooseAnswers(
  asked: AskedPrompt,
  answers: readonly GeneratedAnswer[],
  { keepCut, keepDuplicates, similarity }: ChoiceOptions,
): { readonly lines: string; readonly counts: AnswerCounts } {
  const before = new KeptAnswers(similarity);
  let lines = "";
  let [kept, cutOff, duplicates, failed, tokens] = [0, 0, 0, 0, 0];
  for (const { text, decode } of answers) {
    tokens += decode.tokens;
    const isCut = decode.reason === "length" || decode.reason === "context";
    // Training refuses empty responses; and a character that the end has cut comes out as U+FFFD.
    const response = isCut ? text.replace(/\uFFFD+$/, "") : text;
    if (response.trim() === "" || response.includes("\uFFFD")) failed++;
    // A document has no end that a continuation should come to.
    else if (isCut && !keepCut && asked.kind !== "continuation") cutOff++;
    else if (!keepDuplicates && !before.addIfNew(response)) duplicates++;
    else {
      kept++;
      lines += `${JSON.stringify(toRecordOf(asked, response, isCut))}\n`;
    }
  }
  return { lines, counts: { answers: answers.length, kept, cutOff, duplicates, failed, tokens } };
}

/** Training puts the end-of-text token behind a response; what was cut off becomes a text, which has no end. */
function toRecordOf(asked: AskedPrompt, response: string, isCut: boolean): object {
  if (asked.kind === "chat") return { messages: [...asked.messages, { role: "assistant", content: response }] };
  return isCut ? { text: `${asked.prompt}${response}` } : { prompt: asked.prompt, response };
}
