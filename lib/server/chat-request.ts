/** A body of chat completions as what a chat is asked. */

import type { JsonSchema, ModelMessage, ReasoningOption, SendOptions, ToolChoice, Tools } from "../chat/index.js";
import { defaultsBeside, samplingOptions, withoutUndefined } from "./answer-options.js";
import { badRequest, unsupported } from "./api-error.js";
import { chatMessages } from "./chat-messages.js";
import type { LoadedModel, NamedModel } from "./model-store.js";
import { refuseUnheardReasoning } from "./rendering.js";
import type { ChatBody } from "./request-schemas.js";

/** What a chat is asked. */
export interface ChatRequest {
  readonly messages: readonly ModelMessage[];
  readonly options: SendOptions;
  readonly templateVariables: Readonly<Record<string, unknown>>;
}

const noParameters: JsonSchema = { type: "object", properties: {} };

function toolsOf(body: ChatBody): Tools {
  const tools: Record<string, Tools[string]> = {};
  for (const [i, { function: tool }] of (body.tools ?? []).entries()) {
    if (Object.hasOwn(tools, tool.name)) throw badRequest("two tools have the same name", `tools.${i}.function.name`);
    // By define: a tool may be called __proto__.
    Object.defineProperty(tools, tool.name, {
      value: { description: tool.description ?? undefined, inputSchema: tool.parameters ?? noParameters },
      enumerable: true,
    });
  }
  return tools;
}

function toolChoiceOf({ tool_choice }: ChatBody, tools: Tools): ToolChoice | undefined {
  if (tool_choice === undefined || tool_choice === "none" || tool_choice === "auto") return tool_choice;
  if (Object.keys(tools).length === 0) throw badRequest("expected tools beside it", "tool_choice");
  if (tool_choice === "required") return tool_choice;
  const { name } = tool_choice.function;
  if (!Object.hasOwn(tools, name))
    throw badRequest("expected the name of one of the tools", "tool_choice.function.name");
  return { tool: name };
}

/** What the answer's JSON is to keep to, and the parameter that says so. */
function schemaOf({
  response_format: format,
  json_schema,
}: ChatBody): { schema: JsonSchema; param: string } | undefined {
  if (json_schema !== undefined) {
    if (format && format.type !== "text") throw badRequest("expected none beside response_format", "json_schema");
    return { schema: json_schema, param: "json_schema" };
  }
  if (!format || format.type === "text") return undefined;
  if (format.type === "json_schema" && format.json_schema.description)
    throw unsupported("response_format.json_schema.description", "the model is not shown it: say it in a message");
  const schema = format.type === "json_object" ? (format.schema ?? { type: "object" }) : format.json_schema.schema;
  return { schema, param: "response_format" };
}

/** Variables and options of reasoning: the template learns the effort, and switches it off where it can. */
function reasoningOf(
  body: ChatBody,
  defaults: ReasoningOption | undefined,
): { reasoning: ReasoningOption | undefined; variables: Record<string, unknown> } {
  const { reasoning_effort: effort, reasoning_budget: budgetTokens, chat_template_kwargs: given = {} } = body;
  const variables = { ...(effort !== undefined && effort !== "none" && { reasoning_effort: effort }), ...given };
  const isOff = effort === "none" || given.enable_thinking === false;
  if (isOff) return { reasoning: false, variables };
  if (budgetTokens !== undefined) return { reasoning: { budgetTokens }, variables };
  // Who asks for an effort wants reasoning, also where none is the default.
  const isOn = defaults === false && (effort !== undefined || given.enable_thinking === true);
  return { reasoning: isOn ? true : undefined, variables };
}

/** What cannot go together, told before anything runs. */
function refuseContradictions(body: ChatBody, tools: Tools): void {
  const format = schemaOf(body);
  const mayCall = Object.keys(tools).length > 0 && body.tool_choice !== "none";
  if (format && mayCall) throw unsupported(format.param, `'${format.param}' is not supported beside tools`);
  if (format && body.grammar !== undefined) throw badRequest("expected none beside a schema", "grammar");
  // A text that is cut off in the middle is no JSON.
  if (format && body.stop !== undefined && body.stop.length > 0)
    throw unsupported("stop", `'stop' is not supported beside '${format.param}'`);
  if (body.grammar !== undefined && mayCall) throw unsupported("grammar", "'grammar' is not supported beside tools");
  if (body.top_logprobs !== undefined && body.logprobs !== true)
    throw badRequest("expected logprobs: true beside it", "top_logprobs");
  if (body.parallel_tool_calls !== undefined && !body.tools?.length)
    throw badRequest("expected tools beside it", "parallel_tool_calls");
  if (body.stream_options !== undefined && body.stream !== true)
    throw badRequest("expected stream: true beside it", "stream_options");
  if (
    body.max_tokens !== undefined &&
    body.max_completion_tokens !== undefined &&
    body.max_tokens !== body.max_completion_tokens
  )
    throw badRequest("expected one of max_tokens and max_completion_tokens", "max_tokens");
  const isAnswer = body.messages.at(-1)?.role === "assistant";
  if (body.add_generation_prompt === true && body.continue_final_message === true)
    throw badRequest("expected one of add_generation_prompt and continue_final_message", "continue_final_message");
  if (body.continue_final_message === true && !isAnswer)
    throw badRequest("expected the assistant's message as the last", "continue_final_message");
  if (body.add_generation_prompt === false && !isAnswer) throw unsupported("add_generation_prompt");
}

/** The last message is answered, or gone on with if it is the assistant's. */
function refuseUnanswerable(messages: readonly ModelMessage[]): void {
  const last = messages.at(-1);
  const param = `messages.${messages.length - 1}`;
  if (last?.role === "system")
    throw badRequest("expected a message of the user or results of tools as the last", param);
  if (last?.role !== "assistant") return;
  if (typeof last.content !== "string" && last.content.some(({ type }) => type === "tool-call"))
    throw badRequest("expected the results of the calls behind it", param);
  if (messages.at(-2)?.role === "assistant")
    throw badRequest("expected one message of the assistant at the end", param);
}

/** Rejects with a 400. */
export async function toChatRequest(body: ChatBody, { quality }: NamedModel, model: LoadedModel): Promise<ChatRequest> {
  const tools = toolsOf(body);
  refuseContradictions(body, tools);
  const messages = chatMessages(body.messages);
  refuseUnanswerable(messages);
  await refuseUnheardReasoning(body, model);
  const { reasoning, variables } = reasoningOf(body, model.defaults.reasoning);
  const schema = schemaOf(body)?.schema;
  const options: SendOptions = {
    ...defaultsBeside(model.defaults, quality, body, schema !== undefined),
    ...samplingOptions(body),
    ...withoutUndefined({
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      quality,
      reasoning,
      schema,
      tools,
      toolChoice: toolChoiceOf(body, tools),
      parallelToolCalls: body.parallel_tool_calls,
      logProbs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    }),
    // The client runs the tools, and asks again with their results.
    maxSteps: 1,
  };
  return { messages, options, templateVariables: { ...model.templateVariables, ...variables } };
}
