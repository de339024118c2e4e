/**
 * Checks what callers hand over to pruning, measuring and padding, as far as that can be told without the model. What is
 * exported beside the checks is what quantising and making pairs take as well.
 */

import { check } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import {
  callback,
  gpu,
  type InputOf,
  isUrl,
  list,
  maxInt32,
  maxUint32,
  modelSourceShape,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  text,
  threads,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import { modelTypes } from "./model-types.js";
import type {
  CalibrationOptions,
  MeasureImportanceOptions,
  ModelOutputOptions,
  PadOptions,
  PruneOptions,
  WorkOptions,
} from "./options.js";
import { parseByteCount, parseParameterCount } from "./sizes.js";

const isSize = (value: number) => value >= 0 && (value < 1 || (Number.isInteger(value) && value <= maxInt32));
const sizeWords = "a share to cut, from 0 to below 1, or a whole number to keep";
const size = onFirstUse(() => inWords(sizeWords, z.number().check(z.refine(isSize, `expected ${sizeWords}`))));

const isAscending = (list: readonly number[]) => list.every((layer, i) => i === 0 || layer > (list[i - 1] ?? 0));
const layerList = onFirstUse(() =>
  list("a list of layers", whole(0, 1_000_000), 1, 10_000).check(
    z.refine(isAscending, "expected layers in ascending order, each once"),
  ),
);
const layers = onFirstUse(() =>
  inWords("a share, a number of layers, or a list of layers in ascending order", z.union([size(), layerList()])),
);

/** A whole number from 1 on, or a text that `parse` makes one of. */
const quantity = (parse: (text: string) => number | undefined, words: string) =>
  z.pipe(
    inWords(words, z.union([z.number(), z.string()])),
    z.transform((value: number | string, context): number => {
      const number = typeof value === "string" ? parse(value) : value;
      if (number !== undefined && Number.isSafeInteger(number) && number >= 1) return number;
      context.issues.push({ code: "custom", message: `expected ${words}`, input: value });
      return Number.NaN;
    }),
  );
export const bytes = onFirstUse(() =>
  quantity(parseByteCount, 'a number of bytes, or a text such as "900MB" or "1.5GiB"'),
);
export const parameters = onFirstUse(() =>
  quantity(parseParameterCount, 'a number of parameters, or a text such as "1.0B" or "350M"'),
);

const modelType = onFirstUse(() => z.oneOf(modelTypes));
const multiple = onFirstUse(() => whole(1, 65_536));

const calibrationShape = onFirstUse(
  () =>
    ({
      window: z.optional(whole(2, 1_048_576)),
      windowsPerBatch: z.optional(whole(1, 256)),
      maxSamples: z.optional(whole(1)),
    }) satisfies SchemasOf<CalibrationOptions>,
);
export const workShape = onFirstUse(
  () =>
    ({
      threads: z.optional(threads()),
      onProgress: z.optional(callback<NonNullable<WorkOptions["onProgress"]>>()),
      signal: z.optional(signal()),
    }) satisfies SchemasOf<WorkOptions>,
);
const outputShape = onFirstUse(
  () =>
    ({
      out: path(),
      maxPartBytes: z.optional(bytes()),
      name: z.optional(text(1024)),
    }) satisfies SchemasOf<ModelOutputOptions>,
);

const pruneSchema = onFirstUse(() =>
  z
    .strictObject({
      ...modelSourceShape(),
      ...calibrationShape(),
      ...outputShape(),
      ...workShape(),
      hidden: z.optional(size()),
      ffn: z.optional(size()),
      heads: z.optional(size()),
      kvHeads: z.optional(size()),
      layers: z.optional(layers()),
      layerRule: z.optional(z.oneOf(["first", "last", "firstlast", "influence"])),
      targetSize: z.optional(parameters()),
      targetBytes: z.optional(bytes()),
      text: z.optional(path()),
      importance: z.optional(path()),
      saveImportance: z.optional(path()),
      multiple: z.optional(multiple()),
      quantize: z.withDefault(modelType(), "f16"),
      again: z.withDefault(z.boolean(), false),
      compensate: z.withDefault(z.boolean(), true),
      statistic: z.withDefault(z.oneOf(["signed", "absolute"]), "signed"),
      hiddenScope: z.withDefault(z.oneOf(["model", "layers"]), "model"),
      ffnScope: z.withDefault(z.oneOf(["layer", "model"]), "layer"),
      select: z.withDefault(z.oneOf(["important", "random", "unimportant"]), "important"),
      seed: z.withDefault(whole(0, maxUint32), 1),
      measure: z.withDefault(z.boolean(), true),
      gpu: z.withDefault(gpu(), "auto"),
    } satisfies SchemasOf<PruneOptions>)
    .check(
      z.checkedBy((context) => {
        const refusal = contradiction(context.value);
        if (refusal) context.issues.push({ code: "custom", input: context.value, ...refusal });
      }),
    ),
);

const sizeNames = ["hidden", "ffn", "heads", "kvHeads", "layers", "targetSize", "targetBytes"] as const;

interface CheckedSizes {
  readonly [name: string]: unknown;
  readonly layers?: number | readonly number[] | undefined;
}

/** What makes options contradict each other that are valid one by one, if anything does. */
function contradiction(options: CheckedSizes): { path: string[]; message: string } | undefined {
  const { layers, layerRule, targetSize, targetBytes, text, importance, saveImportance } = options;
  if (sizeNames.every((name) => options[name] === undefined))
    return { path: [], message: `expected at least one of ${sizeNames.join(", ")}` };
  if (targetSize !== undefined && targetBytes !== undefined)
    return { path: ["targetBytes"], message: "expected targetSize or targetBytes, not both" };
  if (layerRule !== undefined && typeof layers !== "number")
    return { path: ["layerRule"], message: "expected layers to be a share or a number when there is a rule" };
  if (needsImportance(options) && text === undefined && importance === undefined)
    return { path: ["text"], message: "expected a text to measure importance on, or importance" };
  if (saveImportance !== undefined && (text === undefined || importance !== undefined))
    return { path: ["saveImportance"], message: "expected a text to measure importance on, and no importance file" };
  return undefined;
}

/** Whether channels, heads or layers are chosen by what was measured. A size of 0 takes nothing away. */
function needsImportance(options: CheckedSizes): boolean {
  const { layers, layerRule, targetSize, targetBytes, select } = options;
  if (select === "random") return false;
  const cuts = (value: unknown) => value !== undefined && value !== 0;
  const chosen = [options.hidden, options.ffn, options.heads, options.kvHeads, targetSize, targetBytes];
  return chosen.some(cuts) || (layerRule === "influence" && cuts(layers));
}

/** One, several or none, as a list. */
export const paths = onFirstUse(() =>
  z.pipe(
    z.optional(z.union([path(), list("a list of those", path(), 0, 10_000)])),
    z.transform((value: MeasureImportanceOptions["text"]): readonly (string | URL)[] =>
      value === undefined ? [] : typeof value === "string" || isUrl(value) ? [value] : value,
    ),
  ),
);

const importanceSchema = onFirstUse(() =>
  z
    .strictObject({
      ...modelSourceShape(),
      ...calibrationShape(),
      ...workShape(),
      text: paths(),
      merge: paths(),
      out: path(),
      gpu: z.withDefault(gpu(), "auto"),
    } satisfies SchemasOf<MeasureImportanceOptions>)
    .check(
      z.refine(({ text, merge }) => text.length + merge.length > 0, {
        path: ["text"],
        message: "expected a text to measure on, or files to merge",
      }),
    ),
);

const padSchema = onFirstUse(() =>
  z.strictObject({
    model: path(),
    ...outputShape(),
    ...workShape(),
    multiple: z.withDefault(multiple(), 256),
    quantize: z.withDefault(modelType(), "same"),
  } satisfies SchemasOf<PadOptions>),
);

export const checkPruneOptions = (value: PruneOptions) =>
  check(pruneSchema(), value satisfies InputOf<typeof pruneSchema>, "options");
export const checkImportanceOptions = (value: MeasureImportanceOptions) =>
  check(importanceSchema(), value satisfies InputOf<typeof importanceSchema>, "options");
export const checkPadOptions = (value: PadOptions) =>
  check(padSchema(), value satisfies InputOf<typeof padSchema>, "options");

export type CheckedPruneOptions = ReturnType<typeof checkPruneOptions>;
export type CheckedCalibration = Pick<CheckedPruneOptions, keyof ReturnType<typeof calibrationShape>>;
