/**
 * F1 of the words that an answer and a reference have in common, as SQuAD's evaluation has it (arXiv 1606.05250): the
 * harmonic mean of precision and recall over words in its normalisation, a word as often as it occurs. Where one of the
 * two has no words, 1 if both have none and else 0, as in SQuAD 2.0 (arXiv 1806.03822).
 */

import { answerWords, bestOf } from "./answer-words.js";

/** Against the best reference: 0 to 1. */
export function tokenF1(answer: string, references: readonly string[]): number {
  const words = answerWords(answer);
  return bestOf(references, (reference) => f1Of(words, answerWords(reference)));
}

function f1Of(answer: readonly string[], reference: readonly string[]): number {
  if (answer.length === 0 || reference.length === 0) return answer.length === reference.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of reference) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of answer) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  // 2PR / (P + R), with P = common / answer and R = common / reference.
  return (2 * common) / (answer.length + reference.length);
}
