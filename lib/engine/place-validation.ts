/** Checks of what callers may ask about the places of sessions. */

import { check } from "../internal/check-options.js";
import {
  type InputOf,
  maxInt32,
  onFirstUse,
  priority,
  type SchemasOf,
  signal,
  text,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { QueueOptions, SessionOptions } from "./place-options.js";
import { cacheKey } from "./prefix-validation.js";

export const queueSchema = onFirstUse(() =>
  z.strictObject({
    maxWaiting: z.optional(whole(0, 65_536)),
    timeoutMs: z.optional(whole(1, maxInt32)),
  } satisfies SchemasOf<QueueOptions>),
);

const sessionSchema = onFirstUse(() =>
  z.strictObject({
    priority: priority(),
    writer: z.optional(text()),
    cacheKey: z.optional(cacheKey()),
    signal: z.optional(signal()),
  } satisfies SchemasOf<SessionOptions>),
);

export const checkSessionOptions = (value: SessionOptions) =>
  check(sessionSchema(), value satisfies InputOf<typeof sessionSchema>, "options");
