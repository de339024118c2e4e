/** Checks what callers hand over for answers. What only loading needs is {@link loadPair}'s to check. */

import type { PrefillSource } from "../../engine/index.js";
import { check } from "../../internal/check-options.js";
import { inWords } from "../../internal/expectations.js";
import {
  above,
  between,
  callback,
  type InputOf,
  list,
  maxInt32,
  maxUint32,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  text,
  whole,
} from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import { model, modelLoading } from "../model-schema.js";
import type { AnswerPromptsOptions } from "./options.js";

const several = onFirstUse(() => whole(1, 256));

const answerSchema = onFirstUse(() =>
  z
    .strictObject({
      model: model<PrefillSource>(),
      data: z.optional(path()),
      fromText: z.withDefault(list("a list of files", path(), 0, 10_000), []),
      promptTokens: z.optional(whole(1, 1_048_576)),
      template: z.optional(inWords("a text with {text} in it", z.string().check(z.regex(/\{text\}/)))),
      out: path(),
      resume: z.withDefault(z.boolean(), false),
      answers: z.withDefault(several(), 1),
      maxTokens: z.withDefault(whole(1, maxInt32), 256),
      temperature: z.withDefault(between(0, 1000), 0.8),
      topK: z.optional(whole(0, maxInt32)),
      topP: z.optional(between(0, 1)),
      minP: z.optional(between(0, 1)),
      stop: z.optional(z.union([text(), list("a list of at most 64 such texts", text(), 0, 64)])),
      seed: z.withDefault(whole(0, maxUint32), 1),
      deterministic: z.withDefault(z.boolean(), false),
      sessions: z.withDefault(several(), 8),
      keepCut: z.withDefault(z.boolean(), false),
      keepDuplicates: z.withDefault(z.boolean(), false),
      similarity: z.withDefault(above(0, 1), 0.8),
      maxBadLines: z.withDefault(whole(0), 10),
      onProgress: z.optional(callback<NonNullable<AnswerPromptsOptions["onProgress"]>>()),
      onBadLine: z.optional(callback<NonNullable<AnswerPromptsOptions["onBadLine"]>>()),
      signal: z.optional(signal()),
      contextSize: z.optional(whole(2, 16_777_216)),
      ...modelLoading(),
    } satisfies SchemasOf<AnswerPromptsOptions>)
    .check(
      z.checkedBy((context) => {
        const { data, fromText, promptTokens, template } = context.value;
        const refuse = (option: string, message: string) =>
          context.issues.push({ code: "custom", input: context.value, path: [option], message });
        const hasText = fromText.length > 0;
        if (data === undefined && !hasText) refuse("data", "expected data, fromText or both");
        if (!hasText && promptTokens !== undefined) refuse("promptTokens", "expected fromText when it is given");
        if (!hasText && template !== undefined) refuse("template", "expected fromText when it is given");
      }),
    ),
);

export const checkAnswerOptions = (value: AnswerPromptsOptions) =>
  check(answerSchema(), value satisfies InputOf<typeof answerSchema>, "options");

export type CheckedAnswerOptions = ReturnType<typeof checkAnswerOptions>;
