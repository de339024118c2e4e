/** Options that are wrong: each is refused by name before anything is read or written. */

import { join } from "node:path";
import test from "ava";
import {
  InvalidArgumentError,
  type MeasureImportanceOptions,
  measureImportance,
  type PadOptions,
  type PruneOptions,
  pad,
  prune,
  readImportance,
} from "../../lib/index.js";
import { modelTypes } from "../../lib/prune/model-types.js";
import { checkImportanceOptions, checkPadOptions, checkPruneOptions } from "../../lib/prune/validation.js";
import { refusal } from "../engine/fixtures.js";

type Wrong<Options> = readonly (readonly [name: keyof Options & string, ...values: readonly unknown[]])[];

const work = [
  ["model", undefined, null, "", 5, {}, "a\0b", new URL("http://a/b.gguf")],
  ["out", undefined, null, "", 5, "a\0b", new URL("http://a/b.gguf")],
  ["threads", 0, 513, 1.5, "2", null],
  ["onProgress", "function", {}, null],
  ["signal", {}, true, new AbortController()],
] as const satisfies Wrong<PruneOptions & MeasureImportanceOptions & PadOptions>;

const output = [
  ["maxPartBytes", 0, -1, 1.5, "2G", "", "1.5", Number.NaN, null, {}],
  ["name", "", 5, null],
  ["multiple", 0, -256, 1.5, "256", 65_537, Number.NaN],
  ["quantize", "Q8_0", "q4", "iq2_xxs", "", 7, null],
] as const satisfies Wrong<PruneOptions & PadOptions>;

const calibration = [
  ["gpuLayers", -1, 1.5, "some", null],
  ["gpu", "opencl", true, null],
  ["window", 0, 1, 1.5, "512", -1],
  ["windowsPerBatch", 0, 257, 1.5, "4"],
  ["maxSamples", 0, -1, 1.5, "all", Number.POSITIVE_INFINITY],
] as const satisfies Wrong<PruneOptions & MeasureImportanceOptions>;

const notSizes = [-0.1, -1, 1.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, "0.5", null, {}];

const ofPrune: Wrong<PruneOptions> = [
  ...work,
  ...output,
  ...calibration,
  ["hidden", ...notSizes, [1, 2]],
  ["ffn", ...notSizes],
  ["heads", ...notSizes],
  ["kvHeads", ...notSizes],
  ["layers", ...notSizes, [], [1, 0], [0, 0], [-1], [0.5], ["0"], [0, 1_000_001]],
  ["layerRule", "middle", 1, null],
  ["targetSize", 0, -1, 1.5, "1X", "", "big", Number.NaN, null],
  ["targetBytes", 0, -1, 1.5, "1GBB", "", Number.POSITIVE_INFINITY, null],
  ["text", "", 5, null, ["a.txt"], "a\0b", new URL("http://a/t.txt")],
  ["importance", "", 5, null],
  ["saveImportance", "", 5, null],
  ["compensate", 1, "yes", null],
  ["statistic", "mean", true],
  ["hiddenScope", "layer", true],
  ["ffnScope", "layers", true],
  ["select", "best", 1],
  ["seed", -1, 1.5, 2 ** 32, "1"],
  ["measure", 0, "no", null],
];

const ofImportance: Wrong<MeasureImportanceOptions> = [
  ...work,
  ...calibration,
  ["text", "", 5, null, [""], [5]],
  ["merge", "", 5, null, [null]],
];

const ofPad: Wrong<PadOptions> = [...work, ...output];

const nowhere = join(import.meta.dirname, "none");
const usual = { model: join(nowhere, "a.gguf"), out: join(nowhere, "b.gguf") };
const usualPrune = { ...usual, hidden: 0.5, text: join(nowhere, "t.txt") };

const calls = {
  prune: { usual: usualPrune, wrong: ofPrune, call: prune },
  measureImportance: { usual: { ...usual, text: "t.txt" }, wrong: ofImportance, call: measureImportance },
  pad: { usual, wrong: ofPad, call: pad },
} as const;

for (const [title, { usual, wrong, call }] of Object.entries(calls)) {
  for (const [name, ...values] of wrong)
    test(`${title} refuses each wrong ${name} by name`, async (t) => {
      for (const value of values) {
        const options = { ...usual, [name]: value, ...(name === "layerRule" && { layers: 2 }) };
        const error = await refusal(
          t,
          "ERR_INVALID_ARGUMENT",
          (call as (options: object) => Promise<unknown>)(options),
        );
        t.true(InvalidArgumentError.isInstance(error));
        t.regex(String(error.details.parameter), new RegExp(`^(options\\.)?${name}\\b`), String(value));
        t.true(error.message.startsWith(String(error.details.parameter)), error.message);
      }
    });

  test(`${title} refuses an option that there is not, and no options`, async (t) => {
    const attempt = call as (options?: object) => Promise<unknown>;
    const unknown = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, fast: true }));
    t.is(unknown.message, "options.fast: no such option; got true");
    await refusal(t, "ERR_INVALID_ARGUMENT", attempt());
    await refusal(t, "ERR_INVALID_ARGUMENT", attempt({}));
  });

  test(`${title} does not begin once its signal has fired`, async (t) => {
    const signal = AbortSignal.abort(new RangeError("enough"));
    await t.throwsAsync((call as (options: object) => Promise<unknown>)({ ...usual, signal }), {
      instanceOf: RangeError,
      message: "enough",
    });
  });
}

const contradictions: readonly (readonly [title: string, parameter: string, message: RegExp, options: object])[] = [
  [
    "nothing to prune",
    "options",
    /at least one of hidden, ffn, heads, kvHeads, layers, targetSize/,
    { hidden: undefined },
  ],
  ["two targets", "options.targetBytes", /not both/, { targetSize: "1B", targetBytes: "1GB" }],
  ["a rule without layers", "options.layerRule", /expected layers/, { layerRule: "first" }],
  ["a rule for a list", "options.layerRule", /expected layers/, { layerRule: "first", layers: [0, 1] }],
  ["no text", "options.text", /text to measure importance on, or importance/, { text: undefined }],
  ["no text for a target", "options.text", /text/, { text: undefined, hidden: undefined, targetSize: 1e9 }],
  [
    "no text for the influence of layers",
    "options.text",
    /text/,
    { text: undefined, hidden: undefined, layers: 0.5, layerRule: "influence" },
  ],
  [
    "importance to save but none to measure",
    "options.saveImportance",
    /no importance/,
    { importance: "i", saveImportance: "j" },
  ],
  ["one file for two things", "options.saveImportance", /a file other than out/, { saveImportance: usual.out }],
];

for (const [title, parameter, message, options] of contradictions)
  test(`${title} is refused`, async (t) => {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", prune({ ...usualPrune, ...options }));
    t.is(error.details.parameter, parameter);
    t.regex(error.message, message);
  });

test("a measurement needs a text or something to merge", async (t) => {
  const none: readonly object[] = [{}, { text: [] }, { merge: [] }];
  for (const options of none) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", measureImportance({ ...usual, ...options }));
    t.is(error.details.parameter, "options.text");
  }
  t.deepEqual(checkImportanceOptions({ ...usual, merge: "a" }).merge, ["a"]);
  t.deepEqual(checkImportanceOptions({ ...usual, text: ["a", "b"] }).text, ["a", "b"]);
  await refusal(t, "ERR_INVALID_ARGUMENT", readImportance(""));
  await refusal(t, "ERR_INVALID_ARGUMENT", readImportance(5 as never));
});

test("what takes nothing away, or goes by a rule or by chance, needs no text", (t) => {
  const free: readonly object[] = [
    { hidden: 0 },
    { hidden: 0, ffn: 0, heads: 0, kvHeads: 0, layers: 0 },
    { layers: 0.5 },
    { layers: 3, layerRule: "last" },
    { layers: [0, 2] },
    { hidden: 0.5, select: "random" },
    { layers: 0, layerRule: "influence" },
  ];
  for (const options of free) t.notThrows(() => checkPruneOptions({ ...usual, ...options }), JSON.stringify(options));
});

test("the defaults are those that the types tell", (t) => {
  t.like(checkPruneOptions(usualPrune), {
    quantize: "f16",
    compensate: true,
    statistic: "signed",
    hiddenScope: "model",
    ffnScope: "layer",
    select: "important",
    seed: 1,
    measure: true,
    gpu: "auto",
  });
  t.like(checkPadOptions(usual), { multiple: 256, quantize: "same" });
  t.is(checkPruneOptions({ ...usualPrune, hidden: undefined, targetSize: "1.0B" }).targetSize, 1e9);
  t.is(checkPruneOptions({ ...usualPrune, hidden: undefined, targetBytes: "900MB" }).targetBytes, 900e6);
  for (const quantize of modelTypes) t.is(checkPadOptions({ ...usual, quantize }).quantize, quantize);
});
