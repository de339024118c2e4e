/**
 * A model that says what a test wants, for commands that run in a process of their own: what it writes follows from the last
 * token that it has read. Attention and feed-forward add nothing; embedding and output matrix are a table of successors.
 */

import { text } from "./gguf-format.js";
import type { GgufTensor } from "./gguf-writer.js";
import { writeTinyModel } from "./tiny-model.js";
import { byteCharacter } from "./tokenizers.js";

/** Turns that end with EOS, calls as in Hermes, reasoning as in Qwen. An answer begins behind the last message's last letter. */
export const scriptedTemplate = `
{%- if tools %}
  {{- "tools:" }}
  {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{% endfor %}
  {{- "\\nCall them as <tool_call>\\n{\\"name\\": ..., \\"arguments\\": ...}\\n</tool_call>" + eos_token }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == "assistant" %}
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
  {%- else %}
    {{- message.role + ":" + message.content + eos_token }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- "assistant:" }}
  {%- set said = (messages | last).content %}
  {{- said[-1:] if said is string else "" }}
{%- endif %}`;

/** What a call looks like in that template. */
export const scriptedCall = (name: string, input: unknown) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: input })}\n</tool_call>`;

/** By the last letter of a message: pieces of the answer to it. The last piece of `endless` is said again and again. */
export interface Script {
  readonly answers: Readonly<Record<string, readonly string[]>>;
  readonly endless?: Readonly<Record<string, string>>;
}

/** Tokens of the built-in tokenizer before those of several bytes, which pieces of answers take the place of. */
const nBytes = 256;
const nEmbd = 64;
/** The logit of a successor, over the others' 0, is `sqrt(nEmbd)` times this. */
const certainty = 8;

const asToken = (piece: string) => [...Buffer.from(piece)].map(byteCharacter).join("");

/** Writes a model that knows the script by heart. */
export async function writeScriptedModel(path: string, script: Script, contextLength = 2048): Promise<void> {
  const { answers, endless = {} } = script;
  const pieces = [...Object.values(answers).flat(), ...Object.values(endless)];
  if (new Set(pieces).size < pieces.length) throw new RangeError("a piece of two answers can go on in one way only");
  const idOf = (piece: string) => nBytes + pieces.indexOf(piece);
  await writeTinyModel(path, {
    ...{ nEmbd, nLayers: 1, contextLength, tiedEmbeddings: false },
    metadata: { "tokenizer.chat_template": text(scriptedTemplate) },
    vocabEdit: (tokens) => tokens.map((token, id) => (id < nBytes ? token : asTokenOf(pieces[id - nBytes], token))),
    tensorEdit: (tensors) => {
      const nVocab = tensors.find(({ name }) => name === "output.weight")?.dims[1] ?? 0;
      const successors = new Map<number, number>();
      for (const [letter, said] of Object.entries(answers)) {
        let last = letter.codePointAt(0) ?? 0;
        for (const piece of said) {
          successors.set(last, idOf(piece));
          last = idOf(piece);
        }
      }
      for (const [letter, piece] of Object.entries(endless))
        successors.set(letter.codePointAt(0) ?? 0, idOf(piece)).set(idOf(piece), idOf(piece));
      return tensors.map((tensor) => ({ ...tensor, values: valuesOf(tensor, successors, nVocab - 1) }));
    },
  });
}

const asTokenOf = (piece: string | undefined, token: string) => (piece === undefined ? token : asToken(piece));

/** Direction 0 stands for every token without a successor: the end of the answer. */
function valuesOf(
  { name, dims, values }: GgufTensor,
  successors: ReadonlyMap<number, number>,
  eos: number,
): GgufTensor["values"] {
  const directions = new Map([...successors.keys()].map((token, i) => [token, i + 1]));
  if (directions.size >= nEmbd) throw new RangeError("the script has too many pieces");
  if (name === "output_norm.weight") return values.map(() => 1);
  if (/attn_output|ffn_down/.test(name)) return values.map(() => 0);
  if (name === "token_embd.weight")
    return values.map((_, i) => (i % nEmbd === (directions.get(Math.floor(i / nEmbd)) ?? 0) ? 1 : 0));
  if (name !== "output.weight") return values;
  const table = new Float32Array((dims[0] ?? 0) * (dims[1] ?? 0));
  table[eos * nEmbd] = certainty;
  for (const [token, next] of successors) table[next * nEmbd + (directions.get(token) ?? 0)] = certainty;
  return table;
}
