/** The bodies of requests. The OpenAPI document is made of the same schemas. */

import { z } from "@hono/zod-openapi";
import { cellsVersion } from "../reader/cell-frames.js";

const maxUint32 = 2 ** 32 - 2;

/** A count of tokens. */
const tokens = () =>
  z
    .int()
    .min(1)
    .max(2 ** 31 - 1);

const number = (least: number, most: number) => z.number().min(least).max(most);

export const stopSchema = z.union([z.string().min(1), z.array(z.string().min(1)).max(64)]);

/** By token id, as OpenAI has it, or llama.cpp's pairs; `false` forbids a token. */
export const logitBiasSchema = z.union([
  z.record(z.string().regex(/^\d{1,10}$/, "expected the id of a token"), number(-1e9, 1e9)),
  z.array(
    z.tuple([
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
      z.union([number(-1e9, 1e9), z.literal(false)]),
    ]),
  ),
]);

const samplers = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"] as const;

/** How tokens are chosen: OpenAI's parameters, and llama.cpp's by their names there. */
export const samplingShape = {
  temperature: number(0, 1000).optional(),
  top_p: number(0, 1).optional(),
  seed: z.int().min(-1).max(maxUint32).optional().openapi({ description: "-1 chooses one at random" }),
  stop: stopSchema.optional(),
  presence_penalty: number(-100, 100).optional(),
  frequency_penalty: number(-100, 100).optional(),
  logit_bias: logitBiasSchema.optional(),
  top_k: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional(),
  min_p: number(0, 1).optional(),
  typical_p: number(0, 1).optional(),
  repeat_penalty: z.number().gt(0).max(100).optional(),
  repeat_last_n: z
    .int()
    .min(-1)
    .max(2 ** 31 - 1)
    .optional(),
  dynatemp_range: number(0, 1000).optional(),
  dynatemp_exponent: number(0, 100).optional(),
  dry_multiplier: number(0, 100).optional(),
  dry_base: number(1, 100).optional(),
  dry_allowed_length: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional(),
  dry_penalty_last_n: z
    .int()
    .min(-1)
    .max(2 ** 31 - 1)
    .optional(),
  dry_sequence_breakers: z.array(z.string().min(1)).max(16).optional(),
  xtc_probability: number(0, 1).optional(),
  xtc_threshold: number(0, 1).optional(),
  top_n_sigma: number(-1, 1000).optional(),
  mirostat: z.literal([0, 1, 2]).optional(),
  mirostat_tau: number(0, 100).optional(),
  mirostat_eta: number(0, 100).optional(),
  samplers: z.array(z.enum(samplers)).min(1).optional(),
  grammar: z.string().min(1).optional().openapi({ description: "GBNF" }),
  refresh_interval: tokens()
    .optional()
    .openapi({ description: "tokens after which the prefill model reads the answer again" }),
};

/** What OpenAI's clients send along and what has no like here: it changes nothing, whatever it says. */
export const labelShape = {
  user: z.string().optional(),
  // As long as OpenAI's may be: a response that is stored keeps them.
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((labels) => Object.keys(labels).length <= 16, "at most 16 labels")
    .optional(),
  safety_identifier: z.string().optional(),
  prompt_cache_key: z.string().optional(),
  prompt_cache_retention: z.string().optional(),
  service_tier: z.enum(["auto", "default"]).optional(),
};

const model = z.string().min(1).optional().openapi({
  description:
    "a name or an alias, with ':fast', ':exact' or an acceptance such as ':0.3' behind it if wanted; the first model if not given",
});

const streaming = {
  stream: z.boolean().optional(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.literal(false).optional() })
    .optional(),
};

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });
const content = z.union([z.string(), z.array(textPart)]);

/** Of an assistant's message or a function: 1 to 64 letters, digits, `_` or `-`. */
export const functionName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, _ or -");

const toolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal("function"),
  // OpenAI's client sends its own reading of them back.
  function: z.strictObject({ name: functionName, arguments: z.string(), parsed_arguments: z.unknown().optional() }),
  // The SDKs number the calls of a stream, and send that back.
  index: z.int().optional(),
});

const name = z.string().nullish();

export const messageSchema = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content, name }),
  z.strictObject({ role: z.literal("developer"), content, name }),
  z.strictObject({ role: z.literal("user"), content, name }),
  z.strictObject({
    role: z.literal("assistant"),
    content: content.nullish(),
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    refusal: z.null().optional(),
    annotations: z.array(z.unknown()).max(0).optional(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
    parsed: z.unknown().optional(),
    name,
  }),
  z.strictObject({ role: z.literal("tool"), tool_call_id: z.string().min(1), content, name }),
]);

/** Parts of a JSON schema: more than that no tool has, and making a grammar of them would take too long. */
const mostSchemaParts = 4096;

function countsAtMost(schema: object, most: number): boolean {
  const rest: unknown[] = [schema];
  for (let count = 0; rest.length > 0; count++) {
    if (count + rest.length > most) return false;
    const part = rest.pop();
    if (typeof part === "object" && part !== null) for (const value of Object.values(part)) rest.push(value);
  }
  return true;
}

/** A JSON schema: whether a grammar can say it is told when it is made into one. */
export const jsonSchema = z
  .record(z.string(), z.unknown())
  .refine((schema) => countsAtMost(schema, mostSchemaParts), `a schema of at most ${mostSchemaParts} parts`);

const functionTool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: functionName,
    description: z.string().nullish(),
    parameters: jsonSchema.nullish(),
    strict: z.boolean().nullish(),
  }),
});

export const toolChoiceSchema = z.union([
  z.enum(["none", "auto", "required"]),
  z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: functionName }) }),
]);

export const responseFormatSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object"), schema: jsonSchema.optional() }),
  z.strictObject({
    type: z.literal("json_schema"),
    json_schema: z.strictObject({
      name: z.string().optional(),
      description: z.string().nullish(),
      schema: jsonSchema,
      strict: z.boolean().nullish(),
    }),
  }),
]);

export const effortSchema = z.enum(["none", "minimal", "low", "medium", "high", "xhigh"]);

export const chatSchema = z
  .strictObject({
    model,
    messages: z.array(messageSchema).min(1),
    ...samplingShape,
    ...labelShape,
    ...streaming,
    max_tokens: tokens().optional(),
    max_completion_tokens: tokens().optional(),
    n: z.int().min(1).max(256).optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(20).optional(),
    tools: z.array(functionTool).max(1024).optional(),
    tool_choice: toolChoiceSchema.optional(),
    parallel_tool_calls: z.boolean().optional(),
    response_format: responseFormatSchema.optional(),
    json_schema: jsonSchema.optional().openapi({ description: "llama.cpp's short form of response_format" }),
    reasoning_effort: effortSchema.optional(),
    reasoning_budget: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .optional()
      .openapi({ description: "tokens" }),
    chat_template_kwargs: z.record(z.string(), z.unknown()).optional(),
    add_generation_prompt: z.boolean().optional(),
    continue_final_message: z.boolean().optional(),
    modalities: z.tuple([z.literal("text")]).optional(),
    store: z.literal(false).optional(),
    cache_prompt: z.literal(true).optional(),
    timings_per_token: z.literal(false).optional(),
    return_progress: z.literal(false).optional(),
  })
  .openapi("ChatCompletionRequest");

export type ChatBody = z.output<typeof chatSchema>;

/** Known to OpenAI or to llama.cpp, and not supported. */
export const refusedInChat: ReadonlySet<string> = new Set([
  ...["audio", "function_call", "functions", "moderation", "prediction", "verbosity", "web_search_options"],
  ...[
    "id_slot",
    "n_keep",
    "n_probs",
    "ignore_eos",
    "lora",
    "reasoning_format",
    "parse_tool_calls",
    "post_sampling_probs",
  ],
]);

const tokenIds = z
  .array(
    z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  )
  .min(1);

export const completionSchema = z
  .strictObject({
    model,
    prompt: z.union([z.string().min(1), tokenIds, z.array(z.union([z.string().min(1), tokenIds])).min(1)]),
    ...samplingShape,
    ...labelShape,
    ...streaming,
    max_tokens: tokens().optional(),
    n: z.int().min(1).max(256).optional(),
    best_of: z.literal(1).optional(),
    logprobs: z.int().min(0).max(20).optional(),
    echo: z.literal(false).optional(),
    suffix: z.literal("").optional(),
    ignore_eos: z.boolean().optional(),
    cache_prompt: z.literal(true).optional(),
  })
  .openapi("CompletionRequest");

export type CompletionBody = z.output<typeof completionSchema>;

export const refusedInCompletion: ReadonlySet<string> = new Set([
  ...["json_schema", "response_format", "id_slot", "n_keep", "n_probs", "lora", "input_prefix", "input_suffix"],
]);

export const tokenizeSchema = z
  .strictObject({
    model,
    content: z.string(),
    add_special: z.boolean().optional(),
    parse_special: z.boolean().optional(),
    with_pieces: z.boolean().optional(),
  })
  .openapi("TokenizeRequest");

export const detokenizeSchema = z
  .strictObject({
    model,
    tokens: z.array(
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
    ),
  })
  .openapi("DetokenizeRequest");

export const modelParameter = model;

/** A prompt to be read for a writer on another machine: `docs/remote.md` and lib/reader/cell-frames.ts. */
export const prefillSchema = z.strictObject({
  model: z.string().optional(),
  version: z.literal(cellsVersion),
  facts: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .openapi({ description: "digest of what the client's cells depend on" }),
  nonce: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .openapi({ description: "comes back, so that an answer belongs to its request" }),
  deterministic: z.boolean().optional().openapi({ description: "read in whole micro-batches, whatever else runs" }),
  tokens: z
    .array(
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
    )
    .min(1),
  from: z.int().min(0).openapi({ description: "of the tokens before it the client has the cells" }),
});
