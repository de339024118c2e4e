/**
 * Pairs that say what a test wants: the engine is the real one, but a chat's next answers are held to given texts by a
 * grammar in the place of the template's own.
 */

import type { ExecutionContext } from "ava";
import type { ChatAnswer, ChatPart, ChatStream, Pair } from "../../lib/index.js";
import type { NativeDecodeOptions, NativeSession } from "../../lib/internal/binding-types.js";
import { loadBinding } from "../../lib/internal/load-binding.js";
import { openPair, type PairRecipe } from "../engine/fixtures.js";
import { text } from "../support/gguf-format.js";

/** Turns in the built-in tokenizer's own words, tools and calls as in Hermes, reasoning as in Qwen. */
export const template = `
{%- if tools %}
  {{- "system:" }}
  {%- if messages[0].role == "system" %}{{- messages[0].content }}{% endif %}
  {{- "\\nTools: <tools>" }}
  {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{% endfor %}
  {{- "\\n</tools>\\nCall them as <tool_call>\\n{\\"name\\": ..., \\"arguments\\": ...}\\n</tool_call>" + eos_token }}
{%- elif messages[0].role == "system" %}
  {{- "system:" + messages[0].content + eos_token }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == "user" %}
    {%- if not loop.first and messages[loop.index0 - 1].role == "user" %}{{- raise_exception("two turns of the user") }}{% endif %}
    {{- "user:" + message.content + eos_token }}
  {%- elif message.role == "assistant" %}
    {{- "assistant:" }}
    {%- if message.reasoning_content %}{{- "<think>\\n" + message.reasoning_content + "\\n</think>\\n\\n" }}{% endif %}
    {%- if message.content %}{{- message.content }}{% endif %}
    {%- for call in message.tool_calls or [] %}
      {%- if not loop.first or message.content %}{{- "\\n" }}{% endif %}
      {{- "<tool_call>\\n{\\"name\\": \\"" + call.function.name + "\\", \\"arguments\\": " }}
      {%- if call.function.arguments is string %}{{- call.function.arguments }}{% else %}{{- call.function.arguments | tojson }}{% endif %}
      {{- "}\\n</tool_call>" }}
    {%- endfor %}
    {{- eos_token }}
  {%- elif message.role == "tool" %}
    {{- "tool:<tool_response>\\n" + message.content + "\\n</tool_response>" + eos_token }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- "assistant:" }}
  {%- if enable_thinking is defined and enable_thinking is false %}{{- "<think>\\n\\n</think>\\n\\n" }}{% endif %}
{%- endif %}`;

export const withTemplate = (source: string) => ({ metadata: { "tokenizer.chat_template": text(source) } });

/** What a call looks like in that template. */
export const call = (name: string, input: unknown) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: input })}\n</tool_call>`;

const literal = (said: string) => JSON.stringify(said).replace(/\\b/g, "\\x08").replace(/\\f/g, "\\x0C");

/** What the next answers are to be, in order; when nothing is left, the model writes freely. */
const script: string[] = [];

/** Each run of the model, as it was asked for, and the tokens of its chat. */
export const runs: NativeDecodeOptions[] = [];
export const prompts: number[][] = [];

function playing(session: NativeSession): NativeSession {
  const { decode, prefill } = { decode: session.decode.bind(session), prefill: session.prefill.bind(session) };
  session.prefill = (prompt, ...rest) => {
    if (typeof prompt !== "string") prompts.push([...prompt]);
    return prefill(prompt, ...rest);
  };
  session.decode = (options) => {
    runs.push(options);
    const said = script.shift();
    if (said === undefined) return decode(options);
    const { grammarLazy: _lazy, grammarTriggers: _triggers, generationPrompt: _prompt, ...rest } = options;
    return decode({ ...rest, grammar: `root ::= ${literal(said)}` });
  };
  return session;
}

const binding = loadBinding() as {
  -readonly [Name in keyof ReturnType<typeof loadBinding>]: ReturnType<typeof loadBinding>[Name];
};
const load = binding.loadPair.bind(binding);
binding.loadPair = (...options) => {
  const pair = load(...options);
  const create = pair.createSession.bind(pair);
  pair.createSession = (...request) => {
    const { session, ticket } = create(...request);
    return { session: session.then(playing), ticket };
  };
  return pair;
};

/** The next runs of the model in this file say these texts. Tests that use it have to be serial. */
export function says(...texts: readonly string[]): void {
  script.splice(0, script.length, ...texts);
}

/** A pair with the template above, at whose context nothing fails. */
export function chatPair(t: ExecutionContext, recipe: PairRecipe = {}): Promise<Pair> {
  runs.length = 0;
  prompts.length = 0;
  script.length = 0;
  return openPair(t, {
    prefill: { contextLength: 4096, ...withTemplate(template) },
    decode: { seed: 2, nEmbd: 32, nFf: 64, contextLength: 4096 },
    contextSize: 4096,
    ...recipe,
  });
}

export interface ReadAnswer<Output> extends ChatAnswer<Output> {
  readonly parts: readonly ChatPart[];
}

/** An answer read to its end, and how it came. */
export async function read<Output>(stream: ChatStream<Output>): Promise<ReadAnswer<Output>> {
  const parts: ChatPart[] = [];
  for await (const part of stream) parts.push(part);
  return { ...(await stream.finished), parts };
}

/** The texts of the parts of a type, as one. */
export const told = (parts: readonly ChatPart[], type: "text" | "reasoning") =>
  parts.map((part) => (part.type === type ? part.text : "")).join("");

export const types = (parts: readonly ChatPart[]) =>
  parts.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
