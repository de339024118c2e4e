/** Checks what callers hand over to training, as far as that can be told without the models and the data. */

import { check } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import type { ModelSource } from "../internal/model-source.js";
import {
  above,
  between,
  callback,
  gpu,
  type InputOf,
  isUrl,
  list,
  maxUint32,
  modelSource,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  text,
  threads,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { CreateModelOptions, DistillationOptions, HealOptions, LoraOptions } from "./options.js";

const share = onFirstUse(() => between(0, 1));
const count = onFirstUse(() => whole(1));
const tokens = onFirstUse(() => whole(1, 1_048_576));
const decay = onFirstUse(() => inWords("a number from 0 to below 1", z.number().check(z.minimum(0), z.lt(1))));
const seed = onFirstUse(() => whole(0, maxUint32));
const patterns = (least: number) =>
  list(`a list of ${least === 0 ? "" : "at least one of "}names of tensors`, text(1024), least, 10_000);

/** A path by itself is a model whose layers go where they fit. */
const model = onFirstUse(() =>
  z.pipe(
    z.union([path(), modelSource()]),
    z.transform(
      (value: string | URL | ModelSource): ModelSource =>
        typeof value === "string" || isUrl(value) ? { model: value } : value,
    ),
  ),
);

const lora = onFirstUse(() =>
  z.strictObject({
    rank: whole(1, 4096),
    alpha: z.optional(above(0, 65_536)),
    targets: z.optional(patterns(1)),
  } satisfies SchemasOf<LoraOptions>),
);

const healSchema = onFirstUse(() =>
  z
    .strictObject({
      mode: z.withDefault(z.oneOf(["overfill", "sft", "full"]), "overfill"),
      train: z.withDefault(z.oneOf(["writer", "reader", "both"]), "writer"),
      full: z.optional(model()),
      student: model(),
      data: path(),
      evalData: z.optional(path()),
      out: path(),
      readerOut: z.optional(path()),
      type: z.withDefault(z.oneOf(["same", "f32", "f16", "bf16", "q8_0"]), "same"),
      checkpoint: z.optional(path()),
      resume: z.withDefault(z.boolean(), false),
      log: z.optional(path()),
      translator: z.optional(path()),
      trainTranslator: z.withDefault(z.boolean(), false),
      translatorOut: z.optional(path()),
      translatorType: z.optional(z.oneOf(["same", "f32", "f16", "q8_0"])),
      promptRatio: z.optional(share()),
      randomCutoff: z.optional(share()),
      refreshInterval: z.optional(whole(0, 1_048_576)),
      distillation: z.optional(
        z.strictObject({
          share: z.withDefault(above(0, 1), 0.5),
          temperature: z.withDefault(above(0, 100), 2),
        } satisfies SchemasOf<DistillationOptions>),
      ),
      lora: z.optional(lora()),
      readerLora: z.optional(z.union([lora(), z.literal(false)])),
      freeze: z.withDefault(patterns(0), []),
      contextSize: z.optional(whole(2, 1_048_576)),
      batchSize: z.withDefault(whole(1, 65_536), 8),
      microBatchTokens: z.withDefault(tokens(), 2048),
      epochs: z.optional(above(0, 1_000_000)),
      maxSteps: z.optional(count()),
      learningRate: z.withDefault(above(0, 1), 2e-5),
      schedule: z.withDefault(z.oneOf(["constant", "linear", "cosine"]), "cosine"),
      warmUp: z.withDefault(share(), 0.01),
      rateFloor: z.optional(share()),
      weightDecay: z.withDefault(share(), 0),
      beta1: z.withDefault(decay(), 0.9),
      beta2: z.withDefault(decay(), 0.95),
      epsilon: z.withDefault(above(0, 1), 1e-8),
      clip: z.withDefault(between(0, 1_000_000), 1),
      seed: z.withDefault(seed(), 1),
      shuffleWindow: z.withDefault(whole(1, 10_000_000), 10_000),
      maxBadLines: z.withDefault(whole(0), 10),
      evalInterval: z.optional(count()),
      patience: z.optional(whole(1, 1_000_000)),
      maxEvalExamples: z.optional(count()),
      checkpointInterval: z.optional(count()),
      threads: z.optional(threads()),
      gpu: z.withDefault(gpu(), "auto"),
      onProgress: z.optional(callback<NonNullable<HealOptions["onProgress"]>>()),
      onBadLine: z.optional(callback<NonNullable<HealOptions["onBadLine"]>>()),
      onEvaluation: z.optional(callback<NonNullable<HealOptions["onEvaluation"]>>()),
      signal: z.optional(signal()),
    } satisfies SchemasOf<HealOptions>)
    .check(
      z.checkedBy((context) => {
        const refusal = contradiction(context.value);
        if (refusal)
          context.issues.push({
            code: "custom",
            input: context.value,
            path: [refusal.option],
            message: refusal.message,
          });
      }),
    ),
);

/** Options that only a student on the full model's cache has. */
const overfillOnly = [
  "translator",
  "trainTranslator",
  "translatorOut",
  "promptRatio",
  "randomCutoff",
  "refreshInterval",
] as const;
/** Options that say what becomes of the translator. */
const translatorOnly = ["trainTranslator", "translatorType"] as const;
/** Options that say how to evaluate. */
const evaluationOnly = ["evalInterval", "patience", "maxEvalExamples"] as const;

type Options = Readonly<Record<string, unknown>>;

/** What makes options contradict each other that are valid one by one, if anything does. */
function contradiction(options: Options): { option: string; message: string } | undefined {
  const { mode, full, distillation, evalData, evalInterval, epochs, maxSteps, schedule } = options;
  const given = (names: readonly string[]) =>
    names.find((name) => options[name] !== undefined && options[name] !== false);
  const foreign = mode === "overfill" ? undefined : given(overfillOnly);
  if (foreign !== undefined) return { option: foreign, message: 'expected mode "overfill" when it is given' };
  const misplaced = misplacedSide(options);
  if (misplaced) return misplaced;
  const unwritten = options.translatorOut === undefined ? given(translatorOnly) : undefined;
  if (unwritten !== undefined) return { option: unwritten, message: "expected translatorOut when it is given" };
  const readsFull = mode === "overfill" || distillation !== undefined;
  if (readsFull && full === undefined)
    return {
      option: "full",
      message: mode === "overfill" ? "expected the model that reads the prompt" : "expected the model to distil from",
    };
  if (!readsFull && full !== undefined)
    return { option: "full", message: `expected none in mode "${mode}" without distillation` };
  if (epochs !== undefined && maxSteps !== undefined)
    return { option: "maxSteps", message: "expected epochs or maxSteps, not both" };
  if (schedule === "constant" && options.rateFloor !== undefined)
    return { option: "rateFloor", message: "expected none when the rate is constant" };
  const evaluating = evalData === undefined ? given(evaluationOnly) : undefined;
  if (evaluating !== undefined) return { option: evaluating, message: "expected evalData when it is given" };
  if (options.patience !== undefined && evalInterval === undefined)
    return { option: "patience", message: "expected evalInterval when it is given" };
  return undefined;
}

/** Options about the side of the pair that is not trained. */
function misplacedSide({ mode, train, readerOut, readerLora, lora, freeze }: Options) {
  if (train !== "writer" && mode !== "overfill")
    return { option: "train", message: 'expected "writer" in other modes than "overfill", which have no reader' };
  if (train === "writer" && readerLora !== undefined)
    return { option: "readerLora", message: 'expected train "reader" or "both" when it is given' };
  if (train !== "both" && readerOut !== undefined)
    return { option: "readerOut", message: 'expected train "both" when it is given' };
  if (train === "both" && readerOut === undefined)
    return { option: "readerOut", message: "expected a path: both models are trained, and out is the student's" };
  if (train === "reader" && lora !== undefined)
    return { option: "lora", message: "expected none, since the student is not trained; readerLora is the reader's" };
  if (train === "reader" && Array.isArray(freeze) && freeze.length > 0)
    return { option: "freeze", message: "expected none, since the student is not trained" };
  return undefined;
}

const size = onFirstUse(() => whole(1, 1_048_576));
const layerParts = onFirstUse(() => whole(1, 512));

const createModelSchema = onFirstUse(() =>
  z
    .strictObject({
      out: path(),
      tokenizer: path(),
      hiddenSize: size(),
      feedForwardSize: size(),
      layers: layerParts(),
      heads: layerParts(),
      kvHeads: layerParts(),
      headSize: z.optional(
        inWords("an even number from 2 to 65536", z.int().check(z.minimum(2), z.maximum(65_536), z.multipleOf(2))),
      ),
      contextSize: z.withDefault(tokens(), 1024),
      ropeBase: z.withDefault(above(0, 1e12), 10_000),
      normEpsilon: z.withDefault(above(0, 1), 1e-5),
      tiedOutput: z.withDefault(z.boolean(), true),
      type: z.withDefault(z.oneOf(["f32", "f16", "bf16"]), "f32"),
      seed: z.withDefault(seed(), 1),
      name: z.optional(text(1024)),
      signal: z.optional(signal()),
    } satisfies SchemasOf<CreateModelOptions>)
    .check(
      z.checkedBy((context) => {
        const { hiddenSize, heads, kvHeads, headSize } = context.value;
        const refuse = (option: string, message: string) =>
          context.issues.push({ code: "custom", input: context.value, path: [option], message });
        if (heads % kvHeads !== 0) refuse("heads", `expected a multiple of kvHeads, ${kvHeads}`);
        else if (headSize === undefined && hiddenSize % (2 * heads) !== 0)
          refuse("headSize", `expected one, since ${hiddenSize} / ${heads} is not an even number`);
      }),
    ),
);

export const checkHealOptions = (value: HealOptions) =>
  check(healSchema(), value satisfies InputOf<typeof healSchema>, "options");
export const checkCreateModelOptions = (value: CreateModelOptions) =>
  check(createModelSchema(), value satisfies InputOf<typeof createModelSchema>, "options");

export type CheckedHealOptions = ReturnType<typeof checkHealOptions>;
export type CheckedCreateModelOptions = ReturnType<typeof checkCreateModelOptions>;
