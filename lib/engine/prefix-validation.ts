/** Checks of what callers may ask about prompts that were read before. */

import { check } from "../internal/check-options.js";
import {
  callback,
  type InputOf,
  onFirstUse,
  path,
  priority,
  type SchemasOf,
  signal,
  text,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { PrefixCacheOptions, WarmOptions } from "./prefix-options.js";

export const prefixCacheSchema = onFirstUse(() =>
  z.union([
    z.literal(false),
    z.strictObject({
      maxBytes: z.optional(whole(1, Number.MAX_SAFE_INTEGER)),
      directory: z.optional(path()),
      maxDiskBytes: z.optional(whole(1, Number.MAX_SAFE_INTEGER)),
    } satisfies SchemasOf<PrefixCacheOptions>),
  ]),
);

export const cacheKey = () => text(1024);

const warmSchema = onFirstUse(() =>
  z.strictObject({
    cacheKey: z.optional(cacheKey()),
    parseSpecial: z.withDefault(z.boolean(), true),
    deterministic: z.withDefault(z.boolean(), false),
    priority: priority(),
    onProgress: z.optional(callback<NonNullable<WarmOptions["onProgress"]>>()),
    signal: z.optional(signal()),
  } satisfies SchemasOf<WarmOptions>),
);

export const checkWarmOptions = (value: WarmOptions) =>
  check(warmSchema(), value satisfies InputOf<typeof warmSchema>, "options");
