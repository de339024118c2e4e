/** The provider: pairs by name, as the AI SDK's functions take them. */

import type { ChatOptions } from "../chat/index.js";
import type { Pair } from "../engine/index.js";
import { syncFromCaller } from "../internal/caller-stack.js";
import { check, refusedArgument } from "../internal/check-options.js";
import { kind, onFirstUse, text, whole } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import { checkCallOptions, type OverfillCallOptions } from "./call-settings.js";
import { ChatPool } from "./chat-pool.js";
import { type ModelParts, OverfillLanguageModel } from "./language-model.js";
import { noSuchModel } from "./sdk-errors.js";
import type { LanguageModel } from "./specification.js";

/** A model: its pair, how its chats are rendered, and options of every call, which a call's own go before. */
export interface OverfillModelOptions extends OverfillCallOptions, Pick<ChatOptions, "template" | "templateVariables"> {
  readonly pair: Pair;
}

/** Options of {@link createOverfill}. */
export interface OverfillOptions {
  /** Pairs by the names that the models are to have. */
  readonly models: Readonly<Record<string, Pair | OverfillModelOptions>>;
  /**
   * Sessions of each pair that the provider holds at most, and so the calls that run at once: 1 or more.
   * @default all that the pair may have
   */
  readonly maxSessions?: number | undefined;
}

/** A provider of the AI SDK's specification 3. Made by {@link createOverfill}. */
export interface OverfillProvider extends AsyncDisposable {
  /** As {@link OverfillProvider.languageModel}. */
  (modelId: string): LanguageModel;
  readonly specificationVersion: "v3";
  /** Throws ERR_INVALID_ARGUMENT, which the SDK knows as its NoSuchModelError, for a name that is not among the models. */
  languageModel(modelId: string): LanguageModel;
  /** There are none: throws as `languageModel` does. */
  embeddingModel(modelId: string): never;
  /** There are none: throws as `languageModel` does. */
  imageModel(modelId: string): never;
  /** Stops the calls that run and gives the sessions back; the pairs stay. Idempotent. */
  dispose(): Promise<void>;
}

const optionsSchema = onFirstUse(() =>
  z.strictObject({
    models: kind<OverfillOptions["models"]>(
      "an object of pairs, or of { pair } with options, by their names",
      (value) => Object.prototype.toString.call(value) === "[object Object]",
    ),
    maxSessions: z.optional(whole(1, 2 ** 31 - 1)),
  }),
);

const templateSchema = onFirstUse(() => z.strictObject({ template: z.optional(text()) }));

const isPair = (value: unknown): value is Pair =>
  typeof value === "object" && value !== null && "info" in value && "chat" in value && typeof value.chat === "function";

/**
 * Makes a provider for the AI SDK of pairs that are loaded. Chats with their sessions are kept between calls, so that a
 * prompt that goes on with an earlier one is read only as far as it is new.
 *
 * Throws ERR_INVALID_ARGUMENT.
 */
export function createOverfill(options: OverfillOptions): OverfillProvider {
  return syncFromCaller(() => makeProvider(check(optionsSchema(), options, "options") as OverfillOptions));
}

function makeProvider({ models, maxSessions }: OverfillOptions): OverfillProvider {
  const pools = new Map<Pair, ChatPool>();
  const poolOf = (pair: Pair): ChatPool => {
    const pool =
      pools.get(pair) ?? new ChatPool(pair, Math.min(maxSessions ?? pair.info.maxSessions, pair.info.maxSessions));
    pools.set(pair, pool);
    return pool;
  };
  const known = new Map(Object.entries(models).map(([name, model]) => [name, modelParts(name, model, poolOf)]));

  const languageModel = (modelId: string): LanguageModel => {
    const made = known.get(modelId);
    if (!made) throw noSuchModel(modelId, "languageModel", [...known.keys()]);
    return new OverfillLanguageModel(modelId, made);
  };
  const none = (modelType: string) => (modelId: string) => {
    throw noSuchModel(modelId, modelType, []);
  };
  const dispose = async () => {
    await Promise.all([...pools.values()].map((pool) => pool.dispose()));
  };
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: "v3" as const,
    languageModel,
    embeddingModel: none("embeddingModel"),
    imageModel: none("imageModel"),
    dispose,
    [Symbol.asyncDispose]: dispose,
  });
}

function modelParts(name: string, model: unknown, poolOf: (pair: Pair) => ChatPool): ModelParts {
  const parameter = `options.models.${name}`;
  const options = isPair(model) ? { pair: model } : ((model ?? {}) as Partial<OverfillModelOptions>);
  const { pair, template, templateVariables, ...defaults } = options;
  if (!isPair(pair)) throw refusedArgument(parameter, "expected a pair, or { pair } with options", typeof model);
  check(templateSchema(), { template }, parameter);
  return {
    pool: poolOf(pair),
    settings: { template, templateVariables },
    defaults: checkCallOptions(defaults, parameter),
  };
}
