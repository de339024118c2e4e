/** Checks what callers hand over to pruning, measuring and padding, as far as that can be told without the model. */

import { z } from "zod";
import { callback, check, gpu, modelSource, path, signal, threads } from "../internal/check-options.js";
import { modelTypes } from "./model-types.js";
import { parseByteCount, parseParameterCount } from "./sizes.js";

const maxUint32 = 2 ** 32 - 1;
const maxCount = 2 ** 31 - 1;

const isSize = (value: number) => value >= 0 && (value < 1 || (Number.isInteger(value) && value <= maxCount));
const size = z.number().refine(isSize, "expected a share from 0 to below 1, or a whole number from 1 on that stays");

const isAscending = (list: readonly number[]) => list.every((layer, i) => i === 0 || layer > (list[i - 1] ?? 0));
const layerList = z
  .array(z.int().min(0).max(1_000_000))
  .min(1)
  .max(10_000)
  .refine(isAscending, "expected layers in ascending order, each once");

/** A whole number from 1 on, or a text that `parse` makes one of. */
const quantity = (parse: (text: string) => number | undefined, expected: string) =>
  z.union([z.number(), z.string()], expected).transform((value, context) => {
    const number = typeof value === "string" ? parse(value) : value;
    if (number !== undefined && Number.isSafeInteger(number) && number >= 1) return number;
    context.addIssue({ code: "custom", message: expected });
    return z.NEVER;
  });
const bytes = quantity(parseByteCount, 'expected a number of bytes, or a text such as "900MB" or "1.5GiB"');
const parameters = quantity(parseParameterCount, 'expected a number of parameters, or a text such as "1.0B" or "350M"');

const quantize = z.enum(modelTypes, `expected one of ${modelTypes.join(", ")}`);
const multiple = z.int().min(1).max(65_536);

const calibrationShape = {
  window: z.int().min(2).max(1_048_576).optional(),
  windowsPerBatch: z.int().min(1).max(256).optional(),
  maxSamples: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
};
const workShape = { threads: threads.optional(), onProgress: callback.optional(), signal: signal.optional() };
const outputShape = {
  out: path,
  maxPartBytes: bytes.optional(),
  name: z.string().min(1).max(1024).optional(),
};

const pruneSchema = z
  .strictObject({
    ...modelSource.shape,
    ...calibrationShape,
    ...outputShape,
    ...workShape,
    hidden: size.optional(),
    ffn: size.optional(),
    heads: size.optional(),
    kvHeads: size.optional(),
    layers: z
      .union([size, layerList], "expected a share, a number of layers, or a list of them in ascending order")
      .optional(),
    layerRule: z.enum(["first", "last", "firstlast", "influence"]).optional(),
    targetSize: parameters.optional(),
    targetBytes: bytes.optional(),
    text: path.optional(),
    importance: path.optional(),
    saveImportance: path.optional(),
    multiple: multiple.optional(),
    quantize: quantize.default("f16"),
    compensate: z.boolean().default(true),
    statistic: z.enum(["signed", "absolute"]).default("signed"),
    hiddenScope: z.enum(["model", "layers"]).default("model"),
    ffnScope: z.enum(["layer", "model"]).default("layer"),
    select: z.enum(["important", "random", "unimportant"]).default("important"),
    seed: z.int().min(0).max(maxUint32).default(1),
    measure: z.boolean().default(true),
    gpu: gpu.default("auto"),
  })
  .superRefine((options, context) => {
    const refusal = contradiction(options);
    if (refusal) context.addIssue({ code: "custom", path: refusal.path, message: refusal.message });
  });

const sizeNames = ["hidden", "ffn", "heads", "kvHeads", "layers", "targetSize", "targetBytes"] as const;

interface CheckedSizes {
  readonly [name: string]: unknown;
  readonly layers?: number | readonly number[] | undefined;
}

/** What makes options that are right one by one wrong together, if anything does. */
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
    return { path: ["saveImportance"], message: "expected a text to measure, and no importance that takes its place" };
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
const paths = z
  .union([path, z.array(path).max(10_000)])
  .optional()
  .transform((value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]));

const importanceSchema = z
  .strictObject({
    ...modelSource.shape,
    ...calibrationShape,
    ...workShape,
    text: paths,
    merge: paths,
    out: path,
    gpu: gpu.default("auto"),
  })
  .refine(({ text, merge }) => text.length + merge.length > 0, {
    path: ["text"],
    message: "expected a text to measure on, or files to merge",
  });

const padSchema = z.strictObject({
  model: path,
  ...outputShape,
  ...workShape,
  multiple: multiple.default(256),
  quantize: quantize.default("same"),
});

export const checkPruneOptions = (value: unknown) => check(pruneSchema, value, "options");
export const checkImportanceOptions = (value: unknown) => check(importanceSchema, value, "options");
export const checkPadOptions = (value: unknown) => check(padSchema, value, "options");

export type CheckedPruneOptions = ReturnType<typeof checkPruneOptions>;
export type CheckedCalibration = Pick<CheckedPruneOptions, keyof typeof calibrationShape>;
