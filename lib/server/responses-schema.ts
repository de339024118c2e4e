/** The body of `/v1/responses`. */

import { z } from "@hono/zod-openapi";
import { effortSchema, functionName, jsonSchema, labelShape, modelParameter } from "./request-schemas.js";

const inputText = z.strictObject({ type: z.literal("input_text"), text: z.string() });

/** As an answer had it, so that an app may send back what it got. */
const outputText = z.strictObject({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.unknown()).max(0).optional(),
  logprobs: z.array(z.unknown()).nullish(),
});

const status = z.enum(["in_progress", "completed", "incomplete"]).nullish();
const id = z.string().nullish();
const texts = z.union([z.string(), z.array(z.union([inputText, outputText]))]);

const message = z.strictObject({
  type: z.literal("message").optional(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content: texts,
  phase: z.string().nullish(),
  id,
  status,
});

const functionCall = z.strictObject({
  type: z.literal("function_call"),
  call_id: z.string().min(1),
  name: functionName,
  arguments: z.string(),
  id,
  status,
});

const functionOutput = z.strictObject({
  type: z.literal("function_call_output"),
  call_id: z.string().min(1),
  output: z.union([z.string(), z.array(inputText)]),
  id,
  status,
});

const reasoning = z.strictObject({
  type: z.literal("reasoning"),
  summary: z.array(z.strictObject({ type: z.literal("summary_text"), text: z.string() })).optional(),
  content: z.array(z.strictObject({ type: z.literal("reasoning_text"), text: z.string() })).nullish(),
  encrypted_content: z.null().optional(),
  id,
  status,
});

export const inputItemSchema = z.union([functionCall, functionOutput, reasoning, message]);

const format = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string().optional(),
    description: z.string().nullish(),
    schema: jsonSchema,
    strict: z.boolean().nullish(),
  }),
]);

const functionTool = z.strictObject({
  type: z.literal("function"),
  name: functionName,
  description: z.string().nullish(),
  parameters: jsonSchema.nullish(),
  strict: z.boolean().nullish(),
});

export const responsesSchema = z
  .strictObject({
    model: modelParameter,
    input: z.union([z.string(), z.array(inputItemSchema).min(1)]),
    instructions: z.string().optional(),
    previous_response_id: z.string().min(1).optional(),
    store: z.boolean().optional(),
    stream: z.boolean().optional(),
    stream_options: z.strictObject({ include_obfuscation: z.literal(false).optional() }).optional(),
    max_output_tokens: z
      .int()
      .min(1)
      .max(2 ** 31 - 1)
      .optional(),
    temperature: z.number().min(0).max(1000).optional(),
    top_p: z.number().min(0).max(1).optional(),
    tools: z.array(functionTool).max(1024).optional(),
    tool_choice: z
      .union([
        z.enum(["none", "auto", "required"]),
        z.strictObject({ type: z.literal("function"), name: functionName }),
      ])
      .optional(),
    parallel_tool_calls: z.boolean().optional(),
    text: z.strictObject({ format: format.optional() }).optional(),
    reasoning: z
      .strictObject({
        effort: effortSchema.nullish(),
        summary: z.null().optional(),
        generate_summary: z.null().optional(),
      })
      .optional(),
    include: z.array(z.unknown()).max(0).optional(),
    background: z.literal(false).optional(),
    truncation: z.literal("disabled").optional(),
    ...labelShape,
  })
  .openapi("ResponsesRequest");

export type ResponsesBody = z.output<typeof responsesSchema>;
export type InputItem = z.output<typeof inputItemSchema>;

/** Known to OpenAI, and not supported. */
export const refusedInResponses: ReadonlySet<string> = new Set([
  ...["conversation", "context_management", "max_tool_calls", "moderation", "prompt", "top_logprobs", "verbosity"],
]);
