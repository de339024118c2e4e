/**
 * Which of several continuations a row finds likeliest, as lm-evaluation-harness's `multiple_choice` has it: `accuracy`
 * by the sum of the log-probabilities of a choice's tokens (its `acc`), `accuracyNorm` by that sum over the number of
 * characters of the choice's text, without the space before it (its `acc_norm`). The first of equal ones counts.
 */

export interface ChoiceOutcome {
  /** Natural logarithm of each choice's likelihood. */
  readonly logProbs: readonly number[];
  /** Characters (Unicode code points) of each choice. */
  readonly lengths: readonly number[];
  /** The choices that are right: one, unless the data names more. */
  readonly right: readonly number[];
}

/** 1 or 0. */
export function isRight({ logProbs, right }: ChoiceOutcome): number {
  return right.includes(indexOfMost(logProbs)) ? 1 : 0;
}

/** 1 or 0. */
export function isRightByLength({ logProbs, lengths, right }: ChoiceOutcome): number {
  return right.includes(indexOfMost(logProbs.map((sum, choice) => sum / (lengths[choice] ?? 1)))) ? 1 : 0;
}

function indexOfMost(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? Number.NaN) ? index : best), 0);
}
