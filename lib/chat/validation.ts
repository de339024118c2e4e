/** Checks what callers hand over to a chat. Every refusal names the parameter. */

import { checkDecodeOptions } from "../engine/validation.js";
import { check, refusedArgument } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import { callback, kind, list, maxInt32, onFirstUse, type SchemasOf, text, whole } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import { type AnySchema, isStandardSchema } from "./json-schema.js";
import type { ModelMessage, ToolCallPart } from "./messages.js";
import type { ChatDefaults, ChatOptions, SendOptions } from "./options.js";
import type { Tools } from "./tools.js";

const isPlain = (value: unknown) => Object.prototype.toString.call(value) === "[object Object]";

const sayable = onFirstUse(() =>
  kind<unknown>("a value that JSON can say", (value) => {
    try {
      JSON.stringify(value);
      return true;
    } catch {
      return false;
    }
  }),
);

const textPart = onFirstUse(() => z.strictObject({ type: z.literal("text"), text: z.string() }));
const callPart = onFirstUse(() =>
  z.strictObject({ type: z.literal("tool-call"), toolCallId: text(), toolName: text(), input: sayable() }),
);
const resultPart = onFirstUse(() =>
  z.strictObject({
    type: z.literal("tool-result"),
    toolCallId: text(),
    toolName: text(),
    output: sayable(),
    isError: z.optional(z.boolean()),
  }),
);
const reasoningPart = onFirstUse(() => z.strictObject({ type: z.literal("reasoning"), text: z.string() }));

const message = onFirstUse(() => {
  const system = z.strictObject({ role: z.literal("system"), content: z.string() });
  const user = z.strictObject({
    role: z.literal("user"),
    content: z.union([z.string(), list("a list of text parts", textPart())]),
  });
  const assistant = z.strictObject({
    role: z.literal("assistant"),
    content: z.union([z.string(), list("a list of parts", z.union([textPart(), reasoningPart(), callPart()]))]),
  });
  const tool = z.strictObject({ role: z.literal("tool"), content: list("a list of results", resultPart(), 1) });
  return inWords(
    'a message { role: "system" | "user" | "assistant" | "tool", content }',
    z.union([system, user, assistant, tool]),
  );
});

const schema = onFirstUse(() =>
  kind<AnySchema>("a JSON schema or a Standard Schema", (value) => isStandardSchema(value) || isPlain(value)),
);

// Not `tool`: where the package is bundled, the exported one would get another name.
const toolShape = onFirstUse(() =>
  inWords(
    "a tool { description, inputSchema, execute }",
    z.looseObject({
      description: z.optional(z.string()),
      inputSchema: schema(),
      execute: z.optional(callback()),
    }),
  ),
);

const defaultsShape = onFirstUse(
  () =>
    ({
      tools: z.optional(kind<Tools>("an object of tools by their names", isPlain)),
      toolChoice: z.optional(z.union([z.oneOf(["auto", "none", "required"]), z.strictObject({ tool: text() })])),
      parallelToolCalls: z.optional(z.boolean()),
      maxSteps: z.optional(whole(1, 1000)),
      reasoning: z.optional(z.union([z.boolean(), z.strictObject({ budgetTokens: whole(0, maxInt32) })])),
      overflow: z.optional(
        z.union([
          z.oneOf(["error", "drop-oldest"]),
          callback() as unknown as z.Schema<never, never>,
        ]) as unknown as z.Schema<ChatDefaults["overflow"], ChatDefaults["overflow"]>,
      ),
    }) satisfies SchemasOf<ChatDefaults>,
);

const chatSchema = onFirstUse(() =>
  z.strictObject({
    ...defaultsShape(),
    writer: z.optional(text()),
    cacheKey: z.optional(text(1024)),
    system: z.optional(z.string()),
    history: z.optional(list("a list of messages", message())),
    template: z.optional(text()),
    templateVariables: z.optional(
      kind<Readonly<Record<string, unknown>>>("an object of variables by their names", isPlain),
    ),
  } satisfies SchemasOf<ChatOptions>),
);

const toolName = /^[A-Za-z0-9_-]{1,64}$/;

function checkTools(tools: Tools | undefined): void {
  for (const [name, value] of Object.entries(tools ?? {})) {
    if (!toolName.test(name))
      throw refusedArgument("options.tools", "expected names of 1 to 64 letters, digits, _ or -", JSON.stringify(name));
    check(toolShape(), value, `options.tools.${name}`);
  }
}

/** Calls and results have to belong together: a template would render half an exchange as a whole one. */
function checkExchanges(messages: readonly ModelMessage[], name: string): void {
  let open: readonly ToolCallPart[] = [];
  for (const [i, one] of messages.entries()) {
    if (one.role === "tool") {
      for (const { toolCallId } of one.content)
        if (!open.some((call) => call.toolCallId === toolCallId))
          throw refusedArgument(`${name}.${i}`, "expected the id of a call before it", JSON.stringify(toolCallId));
    }
    if (one.role === "assistant" && typeof one.content !== "string")
      open = one.content.filter((part) => part.type === "tool-call");
    else if (one.role !== "tool") open = [];
  }
}

export function checkMessages(value: unknown, name: string): ModelMessage[] {
  const messages = check(list("a list of messages", message()), value, name) as readonly ModelMessage[];
  checkExchanges(messages, name);
  return [...messages];
}

export function checkChatOptions(options: ChatOptions): ChatOptions {
  const checked = check(chatSchema(), options, "options") as ChatOptions;
  checkTools(checked.tools);
  const history = checkMessages(checked.history ?? [], "options.history");
  const system = history.findIndex(({ role }) => role === "system");
  if (checked.system !== undefined && system >= 0)
    throw refusedArgument(`options.history.${system}`, "expected no system message beside options.system", "one");
  return checked;
}

/** The options of an answer that are not the sampler's. */
export const sendNames: ReadonlySet<string> = new Set([
  "tools",
  "toolChoice",
  "parallelToolCalls",
  "maxSteps",
  "reasoning",
  "overflow",
  "schema",
]);

const sendSchema = onFirstUse(() => z.strictObject({ ...defaultsShape(), schema: z.optional(schema()) }));

/** The options of one answer, those for the sampler apart and unchanged. */
export function checkSendOptions(options: SendOptions): SendOptions {
  const own: Record<string, unknown> = {};
  const sampling: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options ?? {})) (sendNames.has(name) ? own : sampling)[name] = value;
  check(sendSchema(), own, "options");
  for (const name of ["special", "ignoreEos"])
    if (sampling[name] !== undefined)
      throw refusedArgument(`options.${name}`, "no such option", String(sampling[name]));
  checkDecodeOptions(sampling);
  const { tools, schema: wanted, grammar } = options;
  checkTools(tools);
  if (wanted !== undefined && grammar !== undefined)
    throw refusedArgument("options.grammar", "expected none beside options.schema", "one");
  return options;
}

/** What is said to the model after `before`: a text of the user, a message, or several. */
export function checkInput(value: unknown, before: readonly ModelMessage[]): readonly ModelMessage[] {
  const messages =
    typeof value === "string" ? [{ role: "user", content: value }] : Array.isArray(value) ? value : [value];
  const checked = check(list("a text, a message or a list of messages", message(), 1), messages, "message");
  const input = checked as readonly ModelMessage[];
  checkExchanges([...before, ...input], "message");
  return input;
}

/** The message that is to stand in the place of the one at `index` of `messages`, which it ends. */
export function checkEdit(messages: readonly ModelMessage[], index: unknown, value: unknown): ModelMessage {
  const old = messages[check(whole(0, maxInt32), index, "index")];
  if (!old) throw refusedArgument("index", `expected the index of one of ${messages.length} messages`, String(index));
  const given = typeof value === "string" && old.role !== "tool" ? { role: old.role, content: value } : value;
  const edited = check(message(), given, "message") as ModelMessage;
  checkExchanges([...messages.slice(0, Number(index)), edited], "message");
  return edited;
}
