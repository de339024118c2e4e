/** Whether an answer is one of its references: as SQuAD compares them, and to the letter. */

import { answerWords, bestOf } from "./answer-words.js";

/** 1 or 0, in SQuAD's normalisation (arXiv 1606.05250). */
export function exactMatch(answer: string, references: readonly string[]): number {
  const words = answerWords(answer).join(" ");
  return bestOf(references, (reference) => (answerWords(reference).join(" ") === words ? 1 : 0));
}

/** 1 or 0; only white space around them does not count. */
export function strictMatch(answer: string, references: readonly string[]): number {
  return bestOf(references, (reference) => (reference.trim() === answer.trim() ? 1 : 0));
}
