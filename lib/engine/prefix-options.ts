/** What callers may ask about prompts that were read before: whether and where they are kept, and for whom. */

import type { PrefillOptions } from "./options.js";

/** What is kept of the prompts that the prefill model has read. */
export interface PrefixCacheOptions {
  /**
   * Bytes of ordinary memory, 1 or more, beside the KV caches: what goes beyond goes out, the longest unused first.
   * {@link PairInfo.kvBytesPerToken} is about what a token takes.
   * @default a quarter of the memory that is free beside the models and their KV caches, and at least 64 MiB
   */
  readonly maxBytes?: number | undefined;
  /**
   * A folder where it is kept as well, so that pairs find there what others have read: later ones, and those of other processes
   * that use it at the same time. It is made, for its user alone, where there is none. **What is in it can be read:** the tokens
   * of prompts stand there as they are. Models, adapters and caches that differ never find each other's blocks there, nor do
   * different keys ({@link CacheKeyOption.cacheKey}).
   * @default none; nothing is written
   */
  readonly directory?: string | URL | undefined;
  /**
   * Bytes that the files in `directory` may take, 1 or more, whoever wrote them: what goes beyond is removed, the longest unused
   * first.
   * @default 10 GiB
   */
  readonly maxDiskBytes?: number | undefined;
}

/** Whether a pair keeps what it has read. */
export interface PrefixOptions {
  /**
   * Prompts that begin like one that the prefill model has read are not read again: what was read is kept in ordinary memory,
   * also when its session has ended, and a prompt takes over as much of it as they have in common. Nothing has to be asked for:
   * new sessions, further turns, forks, prompts with `replace` and the answers that a prefill reads again all look there first
   * ({@link PrefillResult.cachedTokens}). `false` keeps nothing. Nor is anything kept of models whose attention finds tokens
   * through an index or compresses them (DeepSeek 3.2 and 4, GLM DSA, MiniMax M3), of hybrid models with a sliding window, and
   * of those whose state would take half of the bytes; {@link PairInfo.prefixCacheBytes} is 0 then.
   */
  readonly prefixCache?: PrefixCacheOptions | false | undefined;
}

/** For whom what was read is kept. */
export interface CacheKeyOption {
  /**
   * What a session reads is found again by sessions with the same key only, of up to 1,024 characters: give each user another
   * one where nobody may learn, from how soon an answer begins, what others have asked.
   * @default none, which is a key like others
   */
  readonly cacheKey?: string | undefined;
}

/** Options of {@link Pair.warm}. */
export interface WarmOptions
  extends CacheKeyOption,
    Pick<PrefillOptions, "parseSpecial" | "deterministic" | "priority" | "onProgress" | "signal"> {}
