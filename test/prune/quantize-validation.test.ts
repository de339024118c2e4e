/** Options of quantising that are wrong: each is refused by name before anything is read or written. */

import test from "ava";
import {
  type InvalidArgumentError,
  type MeasureImportanceMatrixOptions,
  measureImportanceMatrix,
  type QuantizeOptions,
  quantizationTypes,
  quantize,
} from "../../lib/index.js";
import { tensorTypes } from "../../lib/prune/quantization-types.js";
import { checkMatrixOptions, checkQuantizeOptions } from "../../lib/prune/quantize-validation.js";
import { refusal } from "../engine/fixtures.js";

type Wrong<Options> = readonly (readonly [name: keyof Options & string, ...values: readonly unknown[]])[];

const work = [
  ["model", undefined, null, "", 5, {}, "a\0b", new URL("http://a/b.gguf")],
  ["out", undefined, null, "", 5, "a\0b", new URL("http://a/b.gguf")],
  ["threads", 0, 513, 1.5, "2", null],
  ["onProgress", "function", {}, null],
  ["signal", {}, true, new AbortController()],
] as const satisfies Wrong<QuantizeOptions & MeasureImportanceMatrixOptions>;

const ofQuantize: Wrong<QuantizeOptions> = [
  ...work,
  ["type", undefined, "Q4_0", "q4", "same", "", 7, null],
  ["importance", "", 5, null, ["a"]],
  ["tensorTypes", "q8_0", ["a"], null],
  ["outputTensorType", "q4_k_m", "Q8_0", "q8_1", "i32", "deprecated", "", null],
  ["tokenEmbeddingType", "q4_k_m", "", null],
  ["keepOutputTensor", 1, "true", null],
  ["pure", 1, "true", null],
  ["allowRequantize", 1, "true", null],
  ["maxPartBytes", 0, -1, 1.5, "2G", "", Number.NaN, null, {}],
];

const ofMatrix: Wrong<MeasureImportanceMatrixOptions> = [
  ...work,
  ["text", "", 5, null, ["a.txt", 5], new URL("http://a/t.txt")],
  ["merge", "", 5, null, [""]],
  ["window", 0, 15, 1.5, "512", -1],
  ["maxSamples", 0, -1, 1.5, "all"],
  ["gpu", "opencl", true, null],
  ["gpuLayers", -1, 1.5, "some", null],
];

const usual = { model: "none.gguf", out: "o.gguf", type: "q4_0" } as const;
const usualMatrix = { model: "none.gguf", out: "o.gguf", text: "t.txt" };

for (const [name, ...values] of ofQuantize)
  test(`quantize refuses a wrong ${name}`, async (t) => {
    for (const value of values) {
      const attempt = quantize({ ...usual, [name]: value } as QuantizeOptions);
      const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", attempt, String(value));
      t.is(details.parameter, `options.${name}`);
    }
  });

for (const [name, ...values] of ofMatrix)
  test(`measureImportanceMatrix refuses a wrong ${name}`, async (t) => {
    for (const value of values) {
      const attempt = measureImportanceMatrix({ ...usualMatrix, [name]: value } as MeasureImportanceMatrixOptions);
      const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", attempt, String(value));
      t.regex(String(details.parameter), new RegExp(`^options\\.${name}(\\.1|\\.0)?$`));
    }
  });

const parameterOf = (options: Partial<QuantizeOptions>): string | undefined => {
  try {
    checkQuantizeOptions({ ...usual, ...options });
    return undefined;
  } catch (error) {
    return (error as InvalidArgumentError).details.parameter;
  }
};

test("a type that is nearly right has its name suggested", (t) => {
  const error = t.throws(() => checkQuantizeOptions({ ...usual, type: "q4km" as "q4_k_m" }));
  t.is((error as InvalidArgumentError).details.suggestion, "q4_k_m");
});

test("types by pattern are checked one by one", (t) => {
  t.is(parameterOf({ tensorTypes: { ffn: "q9" as "q8_0" } }), "options.tensorTypes.ffn");
  t.is(parameterOf({ tensorTypes: { "": "q8_0" } }), "options.tensorTypes.");
  const said = (tensorTypes: Record<string, unknown>) =>
    t.throws(() => checkQuantizeOptions({ ...usual, tensorTypes } as QuantizeOptions)).message;
  t.regex(said({ ffn: "q9" }), /^options\.tensorTypes\.ffn: expected one of "f32", .*; got "q9"/);
  t.regex(said({ ffn: "q4_kk" }), /did you mean "q4_k"\?/);
  t.regex(said({ "": "q8_0" }), /expected a text of 1 to 512 characters/);
  t.is(parameterOf({ tensorTypes: { ["a".repeat(513)]: "q8_0" } })?.slice(0, 20), "options.tensorTypes.");
  for (const type of tensorTypes) t.is(parameterOf({ tensorTypes: { ffn: type }, outputTensorType: type }), undefined);
  for (const { name } of quantizationTypes()) t.is(parameterOf({ type: name }), undefined);
});

test("a pattern that an object would put before earlier ones is refused", (t) => {
  t.is(parameterOf({ tensorTypes: { ffn: "q8_0", 12: "q6_k" } }), "options.tensorTypes.12");
  for (const tensorTypes of [{ 12: "q6_k" }, { ffn: "q8_0", "(12)": "q6_k" }, { ffn: "q8_0", "01": "q6_k" }] as const)
    t.is(parameterOf({ tensorTypes }), undefined);
});

test("what llama.cpp would pass over in silence is refused", (t) => {
  for (const type of ["f16", "f32", "bf16", "copy"] as const)
    t.is(parameterOf({ type, tensorTypes: { ffn: "q8_0" } }), "options.tensorTypes");
  t.is(parameterOf({ type: "copy", outputTensorType: "f16" }), "options.outputTensorType");
  t.is(parameterOf({ type: "copy", tokenEmbeddingType: "f16" }), "options.tokenEmbeddingType");
  t.is(parameterOf({ keepOutputTensor: true, outputTensorType: "f16" }), "options.outputTensorType");
  t.is(parameterOf({ type: "f16", outputTensorType: "f32" }), undefined);
});

test("a measurement needs a text or something to merge", (t) => {
  t.throws(() => checkMatrixOptions({ model: "a.gguf", out: "b.gguf" }), { message: /expected a text to measure on/ });
  t.notThrows(() => checkMatrixOptions({ model: "a.gguf", out: "b.gguf", merge: "m.gguf" }));
  t.throws(() => checkMatrixOptions({ ...usualMatrix, windowsPerBatch: 2 } as MeasureImportanceMatrixOptions), {
    message: /windowsPerBatch: no such option/,
  });
});
