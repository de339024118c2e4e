/** Checks what callers hand over to training, as far as that can be told without the models and the data. */

import { z } from "zod";
import { callback, check, gpu, modelSource, path, signal, threads } from "../internal/check-options.js";

const maxUint32 = 2 ** 32 - 1;

const share = z.number().min(0).max(1);
const count = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const tokens = z.int().min(1).max(1_048_576);
const decay = z.number().min(0).lt(1);
const positive = (most: number) => z.number().gt(0).max(most);
const seed = z.int().min(0).max(maxUint32);
const patterns = z.array(z.string().min(1).max(1024)).max(10_000);

/** A path by itself is a model whose layers go where they fit. By hand, since a union would not tell what is wrong inside. */
const model = z.unknown().transform((value, context) => {
  const isPath = typeof value !== "object" || value === null || value instanceof URL;
  const parsed = isPath ? namedModel.safeParse(value) : modelSource.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
  return z.NEVER;
});
const namedModel = path.transform((file): z.output<typeof modelSource> => ({ model: file }));

const healSchema = z
  .strictObject({
    mode: z.enum(["overfill", "sft", "full"]).default("overfill"),
    full: model.optional(),
    student: model,
    data: path,
    evalData: path.optional(),
    out: path,
    type: z.enum(["same", "f32", "f16", "bf16", "q8_0"]).default("same"),
    checkpoint: path.optional(),
    resume: z.boolean().default(false),
    log: path.optional(),
    translator: path.optional(),
    trainTranslator: z.boolean().default(false),
    translatorOut: path.optional(),
    translatorType: z.enum(["same", "f32", "f16", "q8_0"]).optional(),
    promptRatio: share.optional(),
    randomCutoff: share.optional(),
    refreshInterval: z.int().min(0).max(1_048_576).optional(),
    distillation: z.strictObject({ share: positive(1).default(0.5), temperature: positive(100).default(2) }).optional(),
    lora: z
      .strictObject({
        rank: z.int().min(1).max(4096),
        alpha: positive(65_536).optional(),
        targets: patterns.min(1).optional(),
      })
      .optional(),
    freeze: patterns.default([]),
    contextSize: z.int().min(2).max(1_048_576).optional(),
    batchSize: z.int().min(1).max(65_536).default(8),
    microBatchTokens: tokens.default(2048),
    epochs: positive(1_000_000).optional(),
    maxSteps: count.optional(),
    learningRate: positive(1).default(2e-5),
    schedule: z.enum(["constant", "linear", "cosine"]).default("cosine"),
    warmUp: share.default(0.01),
    rateFloor: share.optional(),
    weightDecay: share.default(0),
    beta1: decay.default(0.9),
    beta2: decay.default(0.95),
    epsilon: positive(1).default(1e-8),
    clip: z.number().min(0).max(1_000_000).default(1),
    seed: seed.default(1),
    shuffleWindow: z.int().min(1).max(10_000_000).default(10_000),
    maxBadLines: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(10),
    evalInterval: count.optional(),
    patience: z.int().min(1).max(1_000_000).optional(),
    maxEvalExamples: count.optional(),
    checkpointInterval: count.optional(),
    threads: threads.optional(),
    gpu: gpu.default("auto"),
    onProgress: callback.optional(),
    onBadLine: callback.optional(),
    onEvaluation: callback.optional(),
    signal: signal.optional(),
  })
  .superRefine((options, context) => {
    const refusal = contradiction(options);
    if (refusal) context.addIssue({ code: "custom", path: [refusal.option], message: refusal.message });
  });

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

/** What makes options that are right one by one wrong together, if anything does. */
function contradiction(options: Options): { option: string; message: string } | undefined {
  const { mode, full, distillation, evalData, evalInterval, epochs, maxSteps, schedule } = options;
  const given = (names: readonly string[]) =>
    names.find((name) => options[name] !== undefined && options[name] !== false);
  const foreign = mode === "overfill" ? undefined : given(overfillOnly);
  if (foreign !== undefined) return { option: foreign, message: 'expected mode "overfill" when it is given' };
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

const size = z.int().min(1).max(1_048_576);
const layerParts = z.int().min(1).max(512);

const createModelSchema = z
  .strictObject({
    out: path,
    tokenizer: path,
    hiddenSize: size,
    feedForwardSize: size,
    layers: layerParts,
    heads: layerParts,
    kvHeads: layerParts,
    headSize: z.int().min(2).max(65_536).multipleOf(2).optional(),
    contextSize: tokens.default(1024),
    ropeBase: positive(1e12).default(10_000),
    normEpsilon: positive(1).default(1e-5),
    tiedOutput: z.boolean().default(true),
    type: z.enum(["f32", "f16", "bf16"]).default("f32"),
    seed: seed.default(1),
    name: z.string().min(1).max(1024).optional(),
    signal: signal.optional(),
  })
  .superRefine(({ hiddenSize, heads, kvHeads, headSize }, context) => {
    const refuse = (option: string, message: string) => context.addIssue({ code: "custom", path: [option], message });
    if (heads % kvHeads !== 0) refuse("heads", `expected a multiple of kvHeads, ${kvHeads}`);
    else if (headSize === undefined && hiddenSize % (2 * heads) !== 0)
      refuse("headSize", `expected one, since ${hiddenSize} / ${heads} is no even number`);
  });

export const checkHealOptions = (value: unknown) => check(healSchema, value, "options");
export const checkCreateModelOptions = (value: unknown) => check(createModelSchema, value, "options");

export type CheckedHealOptions = ReturnType<typeof checkHealOptions>;
export type CheckedCreateModelOptions = ReturnType<typeof checkCreateModelOptions>;
