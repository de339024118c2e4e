/** Checks what callers hand over to a scoring; as validation.ts does for a pair. */

import { check } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import {
  type InputOf,
  list,
  maxInt32,
  onFirstUse,
  priority,
  type SchemasOf,
  signal,
  text,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { ScoreOptions, ScoreRow } from "./score.js";
import { checkPrompt } from "./validation.js";

const row = onFirstUse(() =>
  z.union([
    z.oneOf(["prefill", "decode", "two-stage"]),
    inWords("an object with a refreshInterval", z.strictObject({ refreshInterval: whole(1, maxInt32) })),
  ]),
);

const optionsSchema = onFirstUse(() =>
  z.strictObject({
    rows: z.withDefault(list("a list of 1 to 64 rows", row(), 1, 64), (): readonly ScoreRow[] => [
      "prefill",
      "decode",
      "two-stage",
    ]),
    parseSpecial: z.withDefault(z.boolean(), true),
    writer: z.optional(text()),
    priority: priority(),
    signal: z.optional(signal()),
  } satisfies SchemasOf<ScoreOptions>),
);

const responseList = onFirstUse(() => list("a list of at least one response", z.unknown(), 1));

export interface CheckedScore {
  readonly prompt: string | Int32Array;
  readonly responses: readonly (string | Int32Array)[];
  readonly options: {
    readonly rows: readonly ScoreRow[];
    readonly parseSpecial: boolean;
    readonly writer?: string | undefined;
    readonly priority: number;
    readonly signal?: AbortSignal | undefined;
  };
}

export function checkScore(prompt: unknown, responses: unknown, options: ScoreOptions): CheckedScore {
  const texts = check(responseList(), responses, "responses");
  return {
    prompt: checkPrompt(prompt),
    responses: texts.map((response, i) => checkPrompt(response, `responses[${i}]`)),
    options: check(optionsSchema(), options satisfies InputOf<typeof optionsSchema>, "options"),
  };
}
