/** Providers of tiny models. They answer nonsense: what they say is forced by grammars, by schemas, and by a token for calls. */

import type { ExecutionContext } from "ava";
import { createOverfill, type OverfillModelOptions, type OverfillProvider } from "../../lib/ai-sdk/index.js";
import type { LoadPairOptions, Pair } from "../../lib/index.js";
import { openPair } from "../engine/fixtures.js";

/** A template that knows tools and reasoning, as those of Qwen do. */
export const toolTemplate = `
{%- if tools %}<|im_start|>system
{%- if messages[0].role == "system" %}{{ "\\n" + messages[0].content }}{% endif %}
You may call these:
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools>
Write <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% elif message.role == "assistant" %}<|im_start|>assistant
{% if message.reasoning_content %}<think>
{{ message.reasoning_content }}
</think>

{% endif %}{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% elif not (tools and message.role == "system") %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

/** What begins a call in the template; one token of the vocabulary, in the place of one that no merge needs. */
const callBegin = "<tool_call>\n";
const spared = "ti";
const vocabEdit = (tokens: string[]) => tokens.map((token) => (token === spared ? "<tool_call>Ċ" : token));

export interface Given {
  readonly pair: Pair;
  readonly provider: OverfillProvider;
}

/** A provider with a model `small`, whose greedy answers are the same whenever their prompts are. */
export async function openProvider(
  t: ExecutionContext,
  {
    maxSessions = 2,
    queue,
    ...options
  }: Omit<OverfillModelOptions, "pair"> & Pick<LoadPairOptions, "maxSessions" | "queue"> = {},
): Promise<Given> {
  const pair = await openPair(t, {
    prefill: { contextLength: 4096, vocabEdit },
    decode: { contextLength: 4096, vocabEdit, seed: 2 },
    contextSize: 4096,
    maxSessions,
    queue,
  });
  const small = { pair, template: toolTemplate, temperature: 0, ...options };
  const provider = createOverfill({ models: { small } });
  t.teardown(() => provider.dispose());
  return { pair, provider };
}

/** `providerOptions` that hold the answer to a text. */
export const says = (text: string) => ({ overfill: { grammar: `root ::= ${JSON.stringify(text)}` } });

/** `providerOptions` with which a model that has to call a tool does so at once, and no more than once. */
export function callsAtOnce(pair: Pair) {
  const size = pair.info.prefill.vocabularySize;
  const call = Array.from({ length: size }, (_, token) => token).find(
    (token) => pair.detokenize([token]) === callBegin,
  );
  return {
    overfill: { logitBias: { [call as number]: 1e4, [size - 1]: Number.POSITIVE_INFINITY }, parallelToolCalls: false },
  };
}
