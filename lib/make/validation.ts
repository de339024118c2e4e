/** Checks what callers hand over to making a pair. What one of its steps takes is checked by that step's own rules. */

import { InvalidArgumentError } from "../errors/index.js";
import { checkAnswerOptions } from "../eval/answers/validation.js";
import { check, refusedArgument } from "../internal/check-options.js";
import type { ModelSource } from "../internal/model-source.js";
import {
  above,
  callback,
  gpu,
  type InputOf,
  isUrl,
  maxUint32,
  modelSource,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  threads,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import { quantizationNames } from "../prune/quantization-types.js";
import { bytes, parameters } from "../prune/validation.js";
import { checkHealOptions } from "../train/validation.js";
import type { MakeAnswering, MakeHealing, MakePairOptions } from "./options.js";

const model = onFirstUse(() =>
  z.pipe(
    z.union([path(), modelSource()]),
    z.transform(
      (value: string | URL | ModelSource): ModelSource =>
        typeof value === "string" || isUrl(value) ? { model: value } : value,
    ),
  ),
);

/** A value that its step's rules are about. */
const passedOn = () => z.optional(z.unknown());

const answeringShape = onFirstUse(() =>
  z.strictObject({
    answers: passedOn(),
    maxTokens: passedOn(),
    temperature: passedOn(),
    topK: passedOn(),
    topP: passedOn(),
    minP: passedOn(),
    stop: passedOn(),
    sessions: passedOn(),
    keepCut: passedOn(),
  } satisfies Record<keyof MakeAnswering, z.Schema>),
);

const healingShape = onFirstUse(() =>
  z.strictObject({
    epochs: z.optional(above(0, 1_000_000)),
    maxSteps: z.optional(whole(1)),
    batchSize: passedOn(),
    microBatchTokens: passedOn(),
    contextSize: passedOn(),
    learningRate: passedOn(),
    schedule: passedOn(),
    warmUp: passedOn(),
    weightDecay: passedOn(),
    distillation: passedOn(),
    lora: passedOn(),
    checkpointInterval: passedOn(),
  } satisfies Record<keyof MakeHealing, z.Schema>),
);

const makeSchema = onFirstUse(() =>
  z
    .strictObject({
      model: model(),
      out: path(),
      data: path(),
      speedUp: z.optional(above(1, 1000)),
      targetSize: z.optional(parameters()),
      targetBytes: z.optional(bytes()),
      quantize: z.optional(z.oneOf(quantizationNames)),
      responses: z.withDefault(z.oneOf(["write", "keep"]), "write"),
      answering: z.optional(answeringShape() as unknown as z.Schema<MakeAnswering, MakeAnswering>),
      healing: z.optional(healingShape() as unknown as z.Schema<MakeHealing, MakeHealing>),
      heldOut: z.optional(whole(1)),
      text: z.optional(path()),
      window: z.optional(whole(2, 1_048_576)),
      multiple: z.optional(whole(1, 65_536)),
      rounds: z.withDefault(z.union([z.literal(1), z.literal(2)]), 1),
      contextSize: z.optional(whole(1)),
      seed: z.withDefault(whole(0, maxUint32), 1),
      maxBadLines: z.withDefault(whole(0), 10),
      threads: z.optional(threads()),
      gpu: z.withDefault(gpu(), "auto"),
      onProgress: z.optional(callback<NonNullable<MakePairOptions["onProgress"]>>()),
      onBadLine: z.optional(callback<NonNullable<MakePairOptions["onBadLine"]>>()),
      signal: z.optional(signal()),
    } satisfies SchemasOf<MakePairOptions>)
    .check(
      z.checkedBy((context) => {
        const refusal = contradiction(context.value);
        if (refusal) context.issues.push({ code: "custom", input: context.value, ...refusal });
      }),
    ),
);

function contradiction(options: {
  readonly speedUp?: unknown;
  readonly targetSize?: unknown;
  readonly targetBytes?: unknown;
  readonly quantize?: string | undefined;
}): { readonly path: string[]; readonly message: string } | undefined {
  const { speedUp, targetSize, targetBytes, quantize } = options;
  const targets = Object.entries({ speedUp, targetSize, targetBytes }).filter(([, value]) => value !== undefined);
  const [, second] = targets;
  if (second) return { path: [second[0]], message: `expected none beside ${targets[0]?.[0]}` };
  if (targets.length === 0 && quantize === undefined)
    return { path: ["speedUp"], message: "expected speedUp, targetSize, targetBytes or quantize" };
  if (quantize === "copy") return { path: ["quantize"], message: "expected a type: a copy is no smaller" };
  return undefined;
}

/** Throws ERR_INVALID_ARGUMENT, for what the steps would refuse after hours as well. */
export function checkMakeOptions(value: MakePairOptions) {
  const checked = check(makeSchema(), value satisfies InputOf<typeof makeSchema>, "options");
  const [model, data, out] = ["model", "data", "out"];
  inside("answering", () => checkAnswerOptions({ ...checked.answering, model, data, out }));
  inside("healing", () => checkHealOptions({ ...checked.healing, full: model, student: model, data, out }));
  return checked;
}

/** Names what a step refuses as what was given to this call. */
function inside(name: "answering" | "healing", checkStep: () => unknown): void {
  try {
    checkStep();
  } catch (error) {
    if (!InvalidArgumentError.isInstance(error)) throw error;
    const { parameter = "options", expected = "", actual = "", suggestion } = error.details;
    throw refusedArgument(parameter.replace("options", `options.${name}`), expected, actual, suggestion);
  }
}

export type CheckedMakeOptions = ReturnType<typeof checkMakeOptions>;
