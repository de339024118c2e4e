/** Checks what callers hand over to a benchmark. What only loading needs is {@link loadPair}'s to check. */

import type { DecodeSource, PrefillSource } from "../../engine/index.js";
import { check } from "../../internal/check-options.js";
import { inWords } from "../../internal/expectations.js";
import {
  above,
  between,
  callback,
  type InputOf,
  list,
  maxInt32,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  text,
  tokenList,
  whole,
} from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import { model, pairLoading } from "../model-schema.js";
import type { BenchOptions } from "./options.js";

const tokens = onFirstUse(() => whole(1, 1_048_576));

const benchSchema = onFirstUse(() =>
  z
    .strictObject({
      prefill: model<PrefillSource>(),
      decode: model<DecodeSource>(),
      data: z.optional(path()),
      prompts: z.optional(
        list("a list of at least one prompt", inWords("a text or token ids", z.union([text(), tokenList()])), 1),
      ),
      maxExamples: z.withDefault(whole(1), 8),
      promptLengths: z.withDefault(list("a list of 1 to 16 lengths", tokens(), 1, 16), [64, 256, 1024]),
      maxTokens: z.withDefault(whole(2, maxInt32), 64),
      temperature: z.withDefault(between(0, 1000), 0),
      rounds: z.withDefault(whole(1, 100), 3),
      acceptances: z.withDefault(list("a list of at most 8 shares", above(0, 1), 0, 8), [0.3]),
      refreshIntervals: z.withDefault(list("a list of at most 16 refresh intervals", tokens(), 0, 16), []),
      maxBadLines: z.withDefault(whole(0), 10),
      onProgress: z.optional(callback<NonNullable<BenchOptions["onProgress"]>>()),
      onBadLine: z.optional(callback<NonNullable<BenchOptions["onBadLine"]>>()),
      signal: z.optional(signal()),
      contextSize: z.optional(whole(1, 16_777_216)),
      ...pairLoading(),
    } satisfies SchemasOf<BenchOptions>)
    .check(
      z.checkedBy((context) => {
        const { data, prompts, ...lists } = context.value;
        const refuse = (option: string, message: string) =>
          context.issues.push({ code: "custom", input: context.value, path: [option], message });
        if (data !== undefined && prompts !== undefined) refuse("prompts", "expected either data or prompts");
        for (const name of ["promptLengths", "acceptances", "refreshIntervals"] as const)
          if (new Set(lists[name]).size < lists[name].length) refuse(name, "expected different numbers");
      }),
    ),
);

export const checkBenchOptions = (value: BenchOptions) =>
  check(benchSchema(), value satisfies InputOf<typeof benchSchema>, "options");

export type CheckedBenchOptions = ReturnType<typeof checkBenchOptions>;
