/** Chats as a model's template renders them, and what of a request's reasoning the template can do something with. */

import { grammarSchema } from "../chat/grammar-schema.js";
import type { JsonSchema, ModelMessage } from "../chat/index.js";
import { messagesJson } from "../chat/messages.js";
import { toolsJson } from "../chat/tools.js";
import { renderChat } from "../engine/pair.js";
import { badRequest, unsupported } from "./api-error.js";
import type { ChatRequest } from "./chat-request.js";
import type { LoadedModel } from "./model-store.js";
import type { ChatBody } from "./request-schemas.js";

type Rendered = Awaited<ReturnType<typeof renderChat>>;

/** The prompt as an answer to the request would begin from it. */
export function render(
  { pair, template }: LoadedModel,
  { messages, options, templateVariables }: ChatRequest,
): Promise<Rendered> {
  const { tools = {}, toolChoice = "auto", parallelToolCalls = true, reasoning, schema } = options;
  const named = typeof toolChoice === "object" ? tools[toolChoice.tool] : undefined;
  const shown = typeof toolChoice === "object" && named ? { [toolChoice.tool]: named } : tools;
  return renderChat(pair, template ?? "", {
    messages: messagesJson(messages),
    tools: toolsJson(shown),
    schema: schema === undefined ? "" : JSON.stringify(grammarSchema(schema as JsonSchema)),
    toolChoice: typeof toolChoice === "object" ? "required" : toolChoice,
    parallelToolCalls,
    thinking: reasoning !== false,
    continuesAnswer: messages.at(-1)?.role === "assistant",
    variableNames: Object.keys(templateVariables),
    variableValues: Object.values(templateVariables).map((value) => JSON.stringify(value ?? null)),
  });
}

interface ReasoningAbilities {
  /** Whether the prompt differs by the effort. */
  readonly hearsEffort: boolean;
  /** Whether reasoning can be ended after some tokens. */
  readonly hasBudget: boolean;
  /** Whether an answer can be had without reasoning. */
  readonly canDoWithout: boolean;
}

const known = new WeakMap<LoadedModel, Promise<ReasoningAbilities>>();

/** Templates do not tell what they know; what they make of the same chat does. */
async function tried(model: LoadedModel): Promise<ReasoningAbilities> {
  const messages: readonly ModelMessage[] = [{ role: "user", content: "x" }];
  const { templateVariables: own } = model;
  const ask = (reasoning: boolean, variables: object = {}) =>
    render(model, { messages, options: { reasoning }, templateVariables: { ...own, ...variables } });
  const [plain, without, low, high] = await Promise.all([
    ask(true),
    ask(false),
    ask(true, { reasoning_effort: "low" }),
    ask(true, { reasoning_effort: "high" }),
  ]);
  return {
    hearsEffort: low.text !== high.text,
    hasBudget: plain.supportsThinking && plain.thinkingEnds.length > 0,
    canDoWithout: !plain.supportsThinking || plain.text !== without.text,
  };
}

function abilitiesOf(model: LoadedModel): Promise<ReasoningAbilities> {
  const found = known.get(model) ?? tried(model);
  known.set(model, found);
  found.catch(() => known.delete(model));
  return found;
}

/** Rejects with a 400 for what the model's template would not hear of. */
export async function refuseUnheardReasoning(body: ChatBody, model: LoadedModel): Promise<void> {
  const { reasoning_effort: effort, reasoning_budget: budget, chat_template_kwargs: given = {} } = body;
  if (effort === undefined && budget === undefined) return;
  if (budget !== undefined && (effort === "none" || given.enable_thinking === false))
    throw badRequest("expected none where reasoning is switched off", "reasoning_budget");
  const able = await abilitiesOf(model);
  if (effort === "none" && !able.canDoWithout)
    throw unsupported("reasoning_effort", "this model's template cannot switch reasoning off");
  if (effort !== undefined && effort !== "none" && !able.hearsEffort)
    throw unsupported("reasoning_effort", "this model's template does not know 'reasoning_effort'");
  if (budget !== undefined && !able.hasBudget)
    throw unsupported("reasoning_budget", "this model's template does not tell where reasoning ends");
}
