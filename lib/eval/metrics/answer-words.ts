/**
 * Answers as words, in the normalisation of SQuAD's evaluation (Rajpurkar et al. 2016, arXiv 1606.05250): lower case,
 * without ASCII punctuation, without the articles a, an and the, words apart by white space.
 */

const punctuation = /[!-/:-@[-`{-~]/g;
/** Words, not parts of them; `\b` would know ASCII letters only. */
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

export function answerWords(text: string): string[] {
  const bare = text.toLowerCase().replace(punctuation, "").replace(articles, " ").trim();
  return bare === "" ? [] : bare.split(/\s+/u);
}

/** The best of an answer's scores against each of its references. */
export function bestOf(references: readonly string[], score: (reference: string) => number): number {
  return Math.max(...references.map(score));
}
