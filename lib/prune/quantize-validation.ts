/** Checks what callers hand over to quantising, as far as that can be told without the model. */

import { check } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import {
  gpu,
  type InputOf,
  modelSourceShape,
  onFirstUse,
  path,
  type SchemasOf,
  text,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import { quantizationNames, tensorTypes } from "./quantization-types.js";
import type { MeasureImportanceMatrixOptions, QuantizeOptions } from "./quantize-options.js";
import { bytes, paths, workShape } from "./validation.js";

const tensorType = onFirstUse(() => z.oneOf(tensorTypes));
const rules = onFirstUse(() =>
  inWords("an object with types by patterns of tensors' names", z.record(text(512), tensorType())),
);

const quantizeSchema = onFirstUse(() =>
  z
    .strictObject({
      ...workShape(),
      model: path(),
      out: path(),
      maxPartBytes: z.optional(bytes()),
      type: z.oneOf(quantizationNames),
      importance: z.optional(path()),
      tensorTypes: z.optional(rules()),
      outputTensorType: z.optional(tensorType()),
      tokenEmbeddingType: z.optional(tensorType()),
      keepOutputTensor: z.withDefault(z.boolean(), false),
      pure: z.withDefault(z.boolean(), false),
      allowRequantize: z.withDefault(z.boolean(), false),
    } satisfies SchemasOf<QuantizeOptions>)
    .check(
      z.checkedBy((context) => {
        const refusal = contradiction(context.value);
        if (refusal) context.issues.push({ code: "custom", input: context.value, ...refusal });
      }),
    ),
);

/** What llama.cpp would pass over in silence, if there is any of it. */
function contradiction(
  options: Omit<QuantizeOptions, "maxPartBytes">,
): { path: string[]; message: string } | undefined {
  const { type, tensorTypes: byPattern = {}, outputTensorType, tokenEmbeddingType, keepOutputTensor } = options;
  const isFloat = type === "f32" || type === "f16" || type === "bf16";
  const patterns = Object.keys(byPattern);
  const number = patterns.length > 1 ? patterns.find((pattern) => /^(0|[1-9]\d{0,9})$/.test(pattern)) : undefined;
  if (number !== undefined)
    return {
      path: ["tensorTypes", number],
      message: `expected no whole number beside other patterns, since objects put these first; write (${number})`,
    };
  if (patterns.length > 0 && (isFloat || type === "copy"))
    return { path: ["tensorTypes"], message: `expected no types of single tensors with the type ${type}` };
  if (outputTensorType !== undefined && (keepOutputTensor || type === "copy"))
    return { path: ["outputTensorType"], message: "expected no type of a tensor that stays as it is" };
  if (tokenEmbeddingType !== undefined && type === "copy")
    return { path: ["tokenEmbeddingType"], message: "expected no type of a tensor that stays as it is" };
  return undefined;
}

const matrixSchema = onFirstUse(() =>
  z
    .strictObject({
      ...modelSourceShape(),
      ...workShape(),
      text: paths(),
      merge: paths(),
      out: path(),
      window: z.optional(whole(16, 1_048_576)),
      maxSamples: z.optional(whole(1)),
      gpu: z.withDefault(gpu(), "auto"),
    } satisfies SchemasOf<MeasureImportanceMatrixOptions>)
    .check(
      z.refine(({ text, merge }) => text.length + merge.length > 0, {
        path: ["text"],
        message: "expected a text to measure on, or files to merge",
      }),
    ),
);

export const checkQuantizeOptions = (value: QuantizeOptions) =>
  check(quantizeSchema(), value satisfies InputOf<typeof quantizeSchema>, "options");
export const checkMatrixOptions = (value: MeasureImportanceMatrixOptions) =>
  check(matrixSchema(), value satisfies InputOf<typeof matrixSchema>, "options");
