/**
 * ROUGE-L (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.1): the F-measure, with equal
 * weight for precision and recall, of the longest common subsequence of words. Each text is one sequence, whatever its
 * sentences. Words are runs of letters and digits in lower case; no stemming. With several references the best counts.
 */

import { bestOf } from "./answer-words.js";

/** 0 to 1; 0 where one of the two has no words. */
export function rougeL(answer: string, references: readonly string[]): number {
  const words = wordsOf(answer);
  return bestOf(references, (reference) => rougeLOfWords(words, wordsOf(reference)));
}

export function rougeLOfWords(answer: readonly string[], reference: readonly string[]): number {
  const common = longestCommonSubsequence(answer, reference);
  // 2PR / (P + R), with P = common / answer and R = common / reference.
  return common === 0 ? 0 : (2 * common) / (answer.length + reference.length);
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/** Its length, by the usual table of which one row is kept. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  // lengths[j]: of the words of `a` so far and the first j words of `b`.
  const lengths = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[j] ?? 0;
      lengths[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, lengths[j - 1] ?? 0);
      diagonal = above;
    }
  }
  return lengths[b.length] ?? 0;
}
