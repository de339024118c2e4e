/** Whose an answer is to be: from as fast as the decode model to exactly the prefill model's. */

/**
 * - `"fast"`: the decode model writes.
 * - `"exact"`: the answer is the prefill model's own. The decode model drafts a few tokens, the prefill model reads them all at
 *   once and keeps those that it would have written (speculative decoding, Leviathan et al., arXiv 2211.17192). At a temperature
 *   of 0 it is the answer that the prefill model writes alone, as far as reading several tokens at once does not change the last
 *   bits of its logits; above, it is drawn from the prefill model's own distribution, with other random numbers than alone.
 * - `{ acceptance }`: a drafted token stays where the prefill model gives it at least this share, above 0 and at most 1, of the
 *   probability of the token that it finds likeliest (before temperature and the other samplers); else the prefill model writes
 *   one in its place.
 */
export type DecodeQuality = "fast" | "exact" | { readonly acceptance: number };

export interface QualityOptions {
  /**
   * Whose answer it is: {@link DecodeQuality}. All but `"fast"` leave a cache that is the prefill model's throughout, so that the
   * next turn has nothing to refresh, and cannot be had with a `refreshInterval` or a `refreshBudget`. How many tokens are drafted
   * goes by what they cost on this machine and how many are kept; where drafts do not pay, the prefill model writes alone. With `deterministic`,
   * always three are drafted.
   * @default "fast"
   */
  readonly quality?: DecodeQuality | undefined;
  /**
   * The prefill model reads again what was written last where the decode model is unsure of the next token, and chooses that
   * token itself; so often that all of it takes no more than this share of the time that writing takes, beside it: above 0, at
   * most 1 (0.05: about 5% more time). How unsure is unsure enough follows from the answer so far. What refreshes cost is
   * measured; with `deterministic`, each counts as three tokens written, so that an answer does not depend on times. Refreshes of
   * a `refreshInterval` count as spent. Each call has a budget of its own. Not with a `quality` other than `"fast"`; without a
   * decode model there is nothing to refresh.
   * @default none
   */
  readonly refreshBudget?: number | undefined;
}

/** What the checks of drafts came to, with a {@link QualityOptions.quality} other than `"fast"`. */
export interface VerificationResult {
  /** How often the prefill model read. */
  readonly checks: number;
  /** Tokens that were drafted and checked. */
  readonly draftedTokens: number;
  /** Those of them that no model drafted: they followed the same words earlier in the text. */
  readonly foundTokens: number;
  /** Drafted tokens that stayed. */
  readonly keptTokens: number;
  /** Drafted tokens in whose place the prefill model put one of its own; what was drafted behind them is in neither number. */
  readonly replacedTokens: number;
}
