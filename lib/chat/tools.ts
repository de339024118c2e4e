/** Tools that a model may call: their description for the template, and the running of calls. */

import { tryGrammarSchema, type UnsayableKeyword } from "./grammar-schema.js";
import type { AnySchema, JsonSchema } from "./json-schema.js";
import { jsonSchemaOf, validate } from "./json-schema.js";
import { type ModelMessage, outputText, type ToolCallPart, type ToolResultPart } from "./messages.js";

/** What a tool learns beside its input. */
export interface ToolContext {
  readonly toolCallId: string;
  /** The chat up to the call. */
  readonly messages: readonly ModelMessage[];
  /** Fires when the answer is stopped. */
  readonly signal: AbortSignal;
}

/**
 * Something that the model may call.
 *
 * @typeParam Input what `inputSchema` describes
 */
export interface Tool<Input = unknown, Output = unknown> {
  /** Tells the model what the tool does and when to call it. */
  readonly description?: string | undefined;
  readonly inputSchema: AnySchema<Input>;
  /**
   * Runs a call. What it throws goes to the model as the call's result. Without it, the answer ends with the calls, and
   * their results come with the next {@link Chat.send}, as a message of the role `tool`.
   */
  readonly execute?: ((input: Input, context: ToolContext) => Output | Promise<Output>) | undefined;
}

/** Tools by their names: 1 to 64 letters, digits, `_` or `-`. */
// biome-ignore lint/suspicious/noExplicitAny: a list of tools whose inputs differ has no other type
export type Tools = Readonly<Record<string, Tool<any, unknown>>>;

/** The tool as it is, with its types: `execute` gets what `inputSchema` describes. */
export const tool = <Input, Output>(definition: Tool<Input, Output>): Tool<Input, Output> => definition;

/** What is left after so many looks says too little to be worth another one. */
const mostPasses = 32;

/** Takes a keyword out of a schema. @returns whether the place was found: a name with a slash in it is not */
function takeOut(schema: JsonSchema, { keyword, pointer }: UnsayableKeyword): boolean {
  const keys = pointer.split("/").slice(1);
  const owners: unknown[] = [schema];
  for (const key of keys) owners.push((owners.at(-1) as Record<string, unknown> | undefined)?.[key]);
  const at = owners.at(-1);
  // Without one of its alternatives a schema says something else: all of them go.
  if (Array.isArray(at)) return Reflect.deleteProperty(owners.at(-2) as object, keys.at(-1) as string);
  // Where two places are one object, it is gone from both at once.
  return typeof at === "object" && at !== null && Reflect.deleteProperty(at, keyword);
}

/**
 * The schema without what no grammar can say. Schemas of tools often come from elsewhere and describe more than a grammar
 * holds; whoever runs a tool checks its input. Where too much is left out, the model learns the description only.
 */
export function sayable(schema: JsonSchema): JsonSchema {
  const rest = structuredClone(schema);
  for (let pass = 0; pass < mostPasses; pass++) {
    const tried = tryGrammarSchema(rest);
    if ("schema" in tried) return tried.schema;
    if (!tried.refused.every((refused) => takeOut(rest, refused))) break;
  }
  return { type: "object" };
}

/** The tools in the form of OpenAI's chat completions; "" without any. */
export function toolsJson(tools: Tools): string {
  const names = Object.keys(tools);
  if (names.length === 0) return "";
  const list = names.map((name) => {
    const { description, inputSchema } = tools[name] as Tool;
    const parameters = sayable(jsonSchemaOf(inputSchema, `tools.${name}.inputSchema`));
    return { type: "function", function: { name, description: description ?? "", parameters } };
  });
  return JSON.stringify(list);
}

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Runs a call. Every failure is a result: a wrong input, no such tool, and what `execute` throws. */
export async function runTool(tools: Tools, call: ToolCallPart, context: ToolContext): Promise<ToolResultPart> {
  const { toolCallId, toolName, input } = call;
  const result = { type: "tool-result", toolCallId, toolName } as const;
  const failed = (output: string): ToolResultPart => ({ ...result, output, isError: true });
  const called = Object.hasOwn(tools, toolName) ? tools[toolName] : undefined;
  if (!called?.execute) return failed(`there is no tool ${JSON.stringify(toolName)}`);
  try {
    const checked = await validate(called.inputSchema, input);
    if (checked.issues !== undefined) return failed(`the input is not valid: ${checked.issues}`);
    const output = await called.execute(checked.value, context);
    // What JSON cannot say is the tool's failure, too.
    outputText(output);
    return { ...result, output: output ?? null };
  } catch (error) {
    return failed(messageOf(error));
  }
}
