/** What callers may say of several decode models, and of one where no more are taken. */

import type { DecodeSource, LoadPairOptions, PrefillSource } from "./options.js";

/** Who writes: the name of one of the pair's decode models, or `"prefill"`, its prefill model. */
export interface WriterOption {
  /** @default the session's, or for a session the pair's first decode model */
  readonly writer?: string | undefined;
}

/** Options of {@link loadPair} with one decode model at most. */
export interface OnePairOptions extends Omit<LoadPairOptions, "prefill" | "decode"> {
  readonly prefill: PrefillSource;
  readonly decode?: DecodeSource | undefined;
}
