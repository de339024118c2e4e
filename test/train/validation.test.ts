/** Options that are wrong: each is refused by name before anything is read or written. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { type CreateModelOptions, createModel, type HealOptions, heal, InvalidArgumentError } from "../../lib/index.js";
import { pathsOf } from "../../lib/train/paths.js";
import { checkCreateModelOptions, checkHealOptions } from "../../lib/train/validation.js";
import { refusal } from "../engine/fixtures.js";

type Wrong<Options> = readonly (readonly [name: keyof Options & string, ...values: readonly unknown[]])[];

const notPaths = ["", 5, null, {}, "a\0b", new URL("http://a/b.gguf")];
const notShares = [-0.1, 1.1, Number.NaN, "0.5", null];
const notCounts = [0, -1, 1.5, "1", Number.POSITIVE_INFINITY, null];
const notPositive = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1", null];
const notSeeds = [-1, 1.5, 2 ** 32, "1", null];
const notFunctions = ["function", {}, null];
const notSignals = [{}, true, new AbortController()];

const ofHeal: Wrong<HealOptions> = [
  ["mode", "kl", "", 1, null],
  ["train", "student", "", 1, null],
  ["full", ...notPaths, { model: "" }, { model: "a.gguf", gpuLayers: -1 }, { model: "a.gguf", path: "b" }],
  ["student", undefined, ...notPaths, { gpuLayers: 1 }, { model: "a.gguf", gpuLayers: "some" }],
  ["data", undefined, ...notPaths, ["a.jsonl"]],
  ["evalData", ...notPaths],
  ["out", undefined, ...notPaths],
  ["readerOut", ...notPaths],
  [
    "readerLora",
    {},
    8,
    true,
    null,
    { rank: 0 },
    { rank: 8, alpha: 0 },
    { rank: 8, targets: [] },
    { rank: 8, freeze: 1 },
  ],
  ["type", "q4_0", "F32", "", null],
  ["checkpoint", ...notPaths],
  ["resume", 1, "yes", null],
  ["log", ...notPaths],
  ["translator", ...notPaths],
  ["trainTranslator", 1, "yes", null],
  ["translatorOut", ...notPaths],
  ["translatorType", "q4_0", "bf16", "", null],
  ["promptRatio", ...notShares],
  ["randomCutoff", ...notShares],
  ["refreshInterval", -1, 1.5, 1_048_577, "64", null],
  ["distillation", 0.5, true, null, { share: 0 }, { share: 1.1 }, { temperature: 0 }, { temperature: 101 }, { t: 1 }],
  ["lora", {}, 8, true, { rank: 0 }, { rank: 1.5 }, { rank: 8, alpha: 0 }, { rank: 8, targets: [] }],
  ["lora", { rank: 8, targets: [""] }, { rank: 8, targets: "*" }, { rank: 4097 }, { rank: 8, dropout: 0.1 }],
  ["freeze", "token_embd.weight", [""], [5], null],
  ["contextSize", 0, 1, 1.5, 1_048_577, "512"],
  ["batchSize", ...notCounts, 65_537],
  ["microBatchTokens", ...notCounts, 1_048_577],
  ["epochs", ...notPositive, 1_000_001],
  ["maxSteps", ...notCounts],
  ["learningRate", ...notPositive, 1.1],
  ["schedule", "step", "", null],
  ["warmUp", ...notShares],
  ["rateFloor", ...notShares],
  ["weightDecay", ...notShares],
  ["beta1", -0.1, 1, "0.9", null],
  ["beta2", -0.1, 1, "0.9", null],
  ["epsilon", ...notPositive],
  ["clip", -1, Number.NaN, 1_000_001, null],
  ["seed", ...notSeeds],
  ["shuffleWindow", ...notCounts, 10_000_001],
  ["maxBadLines", -1, 1.5, "1", null],
  ["evalInterval", ...notCounts],
  ["patience", ...notCounts],
  ["maxEvalExamples", ...notCounts],
  ["checkpointInterval", ...notCounts],
  ["threads", 0, 513, 1.5, "2", null],
  ["gpu", "opencl", true, null],
  ["onProgress", ...notFunctions],
  ["onBadLine", ...notFunctions],
  ["onEvaluation", ...notFunctions],
  ["signal", ...notSignals],
];

const ofCreate: Wrong<CreateModelOptions> = [
  ["out", undefined, ...notPaths],
  ["tokenizer", undefined, ...notPaths],
  ["hiddenSize", undefined, ...notCounts, 1_048_577],
  ["feedForwardSize", undefined, ...notCounts],
  ["layers", undefined, ...notCounts, 513],
  ["heads", undefined, ...notCounts, 3, 513],
  ["kvHeads", undefined, ...notCounts, 513],
  ["headSize", 0, 1, 31, 1.5, "32"],
  ["contextSize", ...notCounts],
  ["ropeBase", ...notPositive],
  ["normEpsilon", ...notPositive, 1.5],
  ["tiedOutput", 0, "no", null],
  ["type", "q8_0", "F16", "", null],
  ["seed", ...notSeeds],
  ["name", "", 5, null],
  ["signal", ...notSignals],
];

const nowhere = join(import.meta.dirname, "none");
const files = {
  full: join(nowhere, "full.gguf"),
  student: join(nowhere, "student.gguf"),
  data: join(nowhere, "train.jsonl"),
  out: join(nowhere, "out.gguf"),
};
const usual = { ...files, evalData: join(nowhere, "held-out.jsonl"), evalInterval: 10 };
const { full: _, ...alone } = files;
const maps = { trainTranslator: true, translatorOut: join(nowhere, "maps.gguf") };
const shape = { hiddenSize: 64, feedForwardSize: 128, layers: 2, heads: 4, kvHeads: 2 };
const usualModel = { out: join(nowhere, "a.gguf"), tokenizer: join(nowhere, "b.gguf"), ...shape };

const calls = {
  heal: { usual, wrong: ofHeal, call: heal },
  createModel: { usual: usualModel, wrong: ofCreate, call: createModel },
} as const;

for (const [title, { usual, wrong, call }] of Object.entries(calls)) {
  const attempt = call as (options?: object) => Promise<unknown>;
  for (const [index, [name, ...values]] of wrong.entries())
    test(`${title} refuses each wrong ${name} by name (${index})`, async (t) => {
      for (const value of values) {
        const error = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, [name]: value }), String(value));
        t.true(InvalidArgumentError.isInstance(error));
        t.regex(String(error.details.parameter), new RegExp(`^(options\\.)?${name}\\b`), String(value));
        t.true(error.message.startsWith(String(error.details.parameter)), error.message);
      }
    });

  test(`${title} refuses an option that there is not, and no options`, async (t) => {
    const unknown = await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ ...usual, fast: true }));
    t.is(unknown.message, "options.fast: no such option; got true");
    await refusal(t, "ERR_INVALID_ARGUMENT", attempt());
    await refusal(t, "ERR_INVALID_ARGUMENT", attempt({}));
  });

  test(`${title} does not begin once its signal has fired`, async (t) => {
    const signal = AbortSignal.abort(new RangeError("enough"));
    await t.throwsAsync(attempt({ ...usual, signal }), { instanceOf: RangeError, message: "enough" });
  });
}

test("what is wrong inside an option is named", async (t) => {
  const wrong: readonly (readonly [parameter: string, options: object])[] = [
    ["options.student.gpuLayers", { student: { model: "a.gguf", gpuLayers: -1 } }],
    ["options.full.path", { full: { model: "a.gguf", path: "b.gguf" } }],
    ["options.distillation.share", { distillation: { share: 2 } }],
    ["options.lora.rank", { lora: { alpha: 16 } }],
    ["options.lora.targets.1", { lora: { rank: 8, targets: ["*", ""] } }],
    ["options.freeze.0", { freeze: [""] }],
  ];
  for (const [parameter, options] of wrong) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", heal({ ...usual, ...options } as HealOptions));
    t.is(error.details.parameter, parameter);
  }
});

const contradictions: readonly (readonly [title: string, parameter: string, message: RegExp, options: object])[] = [
  ["no model that reads the prompt", "options.full", /the model that reads the prompt/, { ...alone }],
  ["nothing to distil from", "options.full", /distil from/, { ...alone, mode: "sft", distillation: {} }],
  ["a full model that does nothing", "options.full", /none in mode "sft"/, { ...files, mode: "sft" }],
  ["another that does nothing", "options.full", /none in mode "full"/, { ...files, mode: "full" }],
  ["a share of the prompt alone", "options.promptRatio", /mode "overfill"/, { ...alone, mode: "sft", promptRatio: 1 }],
  ["a cut-off alone", "options.randomCutoff", /mode "overfill"/, { ...alone, mode: "full", randomCutoff: 0.5 }],
  ["a refresh alone", "options.refreshInterval", /mode "overfill"/, { ...alone, mode: "full", refreshInterval: 8 }],
  ["a translator alone", "options.translator", /mode "overfill"/, { ...alone, mode: "sft", translator: "t.gguf" }],
  [
    "a trained translator without a file",
    "options.trainTranslator",
    /translatorOut/,
    { ...files, trainTranslator: true },
  ],
  ["a type of no translator", "options.translatorType", /translatorOut/, { ...files, translatorType: "f16" }],
  ["maps without a cache", "options.trainTranslator", /mode "overfill"/, { ...alone, ...maps, mode: "sft" }],
  [
    "a translator of no cache",
    "options.translatorOut",
    /mode "overfill"/,
    { ...alone, ...maps, mode: "full", trainTranslator: false },
  ],
  [
    "the translator to write to",
    "options.translatorOut",
    /than translator/,
    { ...files, ...maps, translator: maps.translatorOut },
  ],
  ["one file for both", "options.out", /than translatorOut/, { ...files, ...maps, translatorOut: files.out }],
  ["a reader alone", "options.train", /"writer" in other modes/, { ...alone, mode: "sft", train: "reader" }],
  ["factors of no reader", "options.readerLora", /train "reader"/, { ...files, readerLora: { rank: 4 } }],
  ["a file for one reader", "options.readerOut", /train "both"/, { ...files, train: "reader", readerOut: "r.gguf" }],
  ["no file for the second", "options.readerOut", /a path/, { ...files, train: "both" }],
  ["factors of no student", "options.lora", /readerLora/, { ...files, train: "reader", lora: { rank: 4 } }],
  ["a student frozen twice", "options.freeze", /not trained/, { ...files, train: "reader", freeze: ["*"] }],
  ["one file for two", "options.out", /than readerOut/, { ...files, train: "both", readerOut: files.out }],
  ["two lengths", "options.maxSteps", /not both/, { ...files, epochs: 1, maxSteps: 5 }],
  ["a floor below nothing", "options.rateFloor", /constant/, { ...files, schedule: "constant", rateFloor: 0.1 }],
  ["evaluations of nothing", "options.evalInterval", /evalData/, { ...files, evalInterval: 5 }],
  ["a limit for nothing", "options.maxEvalExamples", /evalData/, { ...files, maxEvalExamples: 5 }],
  ["patience with nothing", "options.patience", /evalData/, { ...files, patience: 2 }],
  ["patience with too little", "options.patience", /evalInterval/, { ...files, evalData: "e.jsonl", patience: 2 }],
  ["the student's file to write to", "options.out", /than student/, { ...files, out: files.student }],
  ["the full model's file to write to", "options.out", /than full/, { ...files, out: files.full }],
  ["the data to write to", "options.log", /than data/, { ...files, log: files.data }],
  ["two things for one file", "options.out", /than checkpoint/, { ...files, checkpoint: files.out }],
  ["the checkpoint's own name", "options.checkpoint", /than log/, { ...files, log: `${files.out}.checkpoint` }],
];

for (const [title, parameter, message, options] of contradictions)
  test(`${title} is refused`, async (t) => {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", heal(options as HealOptions));
    t.is(error.details.parameter, parameter);
    t.regex(error.message, message);
  });

test("what belongs together is taken", (t) => {
  const right: readonly HealOptions[] = [
    files,
    { ...files, promptRatio: 0.5, randomCutoff: 1, refreshInterval: 64, translator: "t.gguf" },
    { ...files, ...maps, translatorType: "q8_0", freeze: ["*"] },
    { ...files, ...maps, trainTranslator: false },
    { ...alone, mode: "sft", trainTranslator: false },
    { ...alone, mode: "sft" },
    { ...alone, mode: "full", maxSteps: 5 },
    { ...files, mode: "full", distillation: {} },
    { ...files, mode: "sft", distillation: { share: 1 } },
    { ...files, schedule: "linear", rateFloor: 0.1, clip: 0, warmUp: 1 },
    { ...usual, patience: 2, maxEvalExamples: 10 },
    { ...files, train: "writer" },
    { ...files, train: "reader" },
    { ...files, train: "reader", readerLora: false, distillation: {} },
    { ...files, train: "both", readerOut: "r.gguf", lora: { rank: 4 }, readerLora: { rank: 4 }, freeze: ["*norm*"] },
    { ...files, ...maps, train: "reader" },
    { ...files, epochs: 0.25, lora: { rank: 8, alpha: 16, targets: ["*attn_q*"] }, freeze: ["token_embd.weight"] },
  ];
  for (const options of right) t.notThrows(() => pathsOf(checkHealOptions(options)), JSON.stringify(options));
});

test("a model is a path, a URL or both with layers for the GPU", (t) => {
  const url = pathToFileURL(files.student);
  t.deepEqual(checkHealOptions({ ...files, student: "s.gguf" }).student, { model: "s.gguf" });
  t.deepEqual(checkHealOptions({ ...files, student: url }).student, { model: url });
  const source = { model: url, gpuLayers: "all" } as const;
  t.deepEqual(checkHealOptions({ ...files, full: source }).full, source);
  t.is(pathsOf(checkHealOptions({ ...files, student: url })).student, files.student);
});

test("the defaults are those that the types tell", (t) => {
  t.like(checkHealOptions(files), {
    ...{
      mode: "overfill",
      train: "writer",
      type: "same",
      resume: false,
      freeze: [],
      batchSize: 8,
      microBatchTokens: 2048,
    },
    ...{ learningRate: 2e-5, schedule: "cosine", warmUp: 0.01, weightDecay: 0, beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
    ...{ clip: 1, seed: 1, shuffleWindow: 10_000, maxBadLines: 10, gpu: "auto" },
  });
  t.deepEqual(checkHealOptions({ ...files, distillation: {} }).distillation, { share: 0.5, temperature: 2 });
  t.like(checkCreateModelOptions(usualModel), {
    ...{ contextSize: 1024, ropeBase: 10_000, normEpsilon: 1e-5, tiedOutput: true, type: "f32", seed: 1 },
  });
});

test("a new model's heads must fill its width, or have a size of their own", async (t) => {
  const uneven = { ...usualModel, hiddenSize: 70 };
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", createModel(uneven));
  t.is(error.details.parameter, "options.headSize");
  t.notThrows(() => checkCreateModelOptions({ ...uneven, headSize: 32 }));
  const heads = await refusal(t, "ERR_INVALID_ARGUMENT", createModel({ ...usualModel, kvHeads: 3 }));
  t.is(heads.details.parameter, "options.heads");
});
