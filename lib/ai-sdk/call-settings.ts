/** The settings of a call as options of a chat, and warnings about those that have no like here. */

import type { JsonSchema, SendOptions, ToolChoice, Tools } from "../chat/index.js";
import { checkSendOptions } from "../chat/validation.js";
import { refusedArgument } from "../internal/check-options.js";
import type { CallOptions, Warning } from "./specification.js";

/** What the SDK says by names of its own. */
const ownNames = ["tools", "toolChoice", "maxSteps", "schema", "signal"] as const;

/**
 * Options of a chat's answer for a single call, as `providerOptions.overfill`, or for all calls of a model: sampling beyond
 * the SDK's settings (`minP`, `grammar`, `logitBias`), `reasoning`, `overflow`, `refreshInterval`, `logProbs` and the others.
 */
export type OverfillCallOptions = Omit<SendOptions, (typeof ownNames)[number]>;

/** Checks options of a model or a call. Throws ERR_INVALID_ARGUMENT. */
export function checkCallOptions(options: object, parameter: string): OverfillCallOptions {
  for (const name of ownNames)
    if (name in options) throw refusedArgument(`${parameter}.${name}`, "expected the SDK's own setting for it", "this");
  return checkSendOptions(options);
}

/** What a call asks of a chat. */
export interface CallSettings {
  readonly options: SendOptions;
  readonly warnings: Warning[];
}

function toolsOf(asked: CallOptions["tools"], warnings: Warning[]): Tools {
  const tools: Record<string, Tools[string]> = {};
  for (const tool of asked ?? []) {
    if (tool.type === "provider") {
      warnings.push({ type: "unsupported", feature: `tool ${tool.id}`, details: "It is one of another provider." });
      continue;
    }
    if (tool.inputExamples?.length)
      warnings.push({ type: "unsupported", feature: "inputExamples", details: `Those of the tool ${tool.name}.` });
    const { description, inputSchema } = tool;
    tools[tool.name] = { description, inputSchema: inputSchema as JsonSchema };
  }
  return tools;
}

function toolChoiceOf(choice: CallOptions["toolChoice"]): ToolChoice | undefined {
  return choice?.type === "tool" ? { tool: choice.toolName } : choice?.type;
}

/** What JSON is to keep to; an object if the call does not say. */
function schemaOf(format: CallOptions["responseFormat"]): JsonSchema | undefined {
  if (format?.type !== "json") return undefined;
  return typeof format.schema === "object" ? (format.schema as JsonSchema) : { type: "object" };
}

const withoutUndefined = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/**
 * What a model has for all calls, over it what the SDK says, over that the call's own `providerOptions.overfill`. Throws
 * ERR_INVALID_ARGUMENT.
 */
export function callSettings(call: CallOptions, defaults: OverfillCallOptions): CallSettings {
  const warnings: Warning[] = [];
  if (call.includeRawChunks) warnings.push({ type: "unsupported", feature: "includeRawChunks" });
  const own = checkCallOptions(call.providerOptions?.overfill ?? {}, "providerOptions.overfill");
  const { temperature, topP, topK, presencePenalty, frequencyPenalty, seed } = call;
  const schema = schemaOf(call.responseFormat);
  const options: SendOptions = {
    ...defaults,
    ...withoutUndefined({ temperature, topP, topK, presencePenalty, frequencyPenalty, seed }),
    ...withoutUndefined({ maxTokens: call.maxOutputTokens, stop: call.stopSequences, signal: call.abortSignal }),
    ...withoutUndefined(own),
    ...withoutUndefined({ schema, tools: toolsOf(call.tools, warnings), toolChoice: toolChoiceOf(call.toolChoice) }),
    // The SDK runs the tools, and calls again with their results.
    maxSteps: 1,
  };
  return { options, warnings };
}
