/** How near the ways are to the full model: over what they write themselves, and over given responses. */

import type { RowScores } from "../../engine/index.js";
import { positionRanges } from "../metrics/likelihood.js";
import type { GivenFigures, WrittenAgreement } from "./report.js";

interface Sums {
  tokens: number;
  agreement: number;
  divergence: number;
}

/**
 * Sums by position. The first token of an answer is left out: wherever the full model reads it is its own, and where the
 * small one reads it says how that reads, which the others show as well.
 */
export class NearnessSums {
  readonly #positions: Sums[] = [];

  add({ agree, divergence }: { readonly agree: ArrayLike<number>; readonly divergence?: ArrayLike<number> }): void {
    for (let i = 1; i < agree.length; i++) {
      const sums = this.#positions[i] ?? { tokens: 0, agreement: 0, divergence: 0 };
      this.#positions[i] = sums;
      sums.tokens++;
      sums.agreement += agree[i] ?? 0;
      sums.divergence += divergence?.[i] ?? 0;
    }
  }

  /** Undefined: there was nothing but first tokens. */
  get given(): GivenFigures | undefined {
    const all = this.#mean(1, this.#positions.length - 1);
    if (all.tokens === 0) return undefined;
    const ranges = positionRanges(this.#positions.length).slice(1);
    return {
      ...all,
      positions: ranges.map(({ from, to }) => {
        const last = Math.min(to, this.#positions.length - 1);
        return { from, to: last, ...this.#mean(from, last) };
      }),
    };
  }

  get written(): WrittenAgreement {
    const { tokens = 0, agreement = 1, positions = [] } = this.given ?? {};
    return {
      tokens,
      agreement,
      positions: positions.map(({ divergence: _, ...position }) => position),
    };
  }

  #mean(from: number, to: number): Sums {
    const sums = { tokens: 0, agreement: 0, divergence: 0 };
    for (const own of this.#positions.slice(from, to + 1))
      for (const name of ["tokens", "agreement", "divergence"] as const) sums[name] += own?.[name] ?? 0;
    const { tokens, agreement, divergence } = sums;
    return tokens === 0 ? sums : { tokens, agreement: agreement / tokens, divergence: divergence / tokens };
  }
}

/** For each token whether it is the likeliest of what the log-probabilities are of. */
export function areLikeliest(
  logProbs: readonly { readonly token: number; readonly top: readonly { readonly token: number }[] }[],
): number[] {
  return logProbs.map(({ token, top }) => (top[0]?.token === token ? 1 : 0));
}

/** Of one row of a score. */
export const rowOf = (rows: readonly RowScores[] | undefined, index: number): RowScores => {
  const row = rows?.[index];
  if (!row) throw new RangeError("the score has no such row");
  return row;
};
