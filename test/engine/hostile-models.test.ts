/** What a model file may not do to the process: run without end in its chat template, or make llama.cpp assert. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { loadPair } from "../../lib/index.js";
import { f32, type GgufValue, text, u32 } from "../support/gguf-format.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { openPair, quiet, refusal } from "./fixtures.js";

const chat = {
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Yes" },
  ],
} as const;

const endless: Readonly<Record<string, string>> = {
  "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  "a range of a billion": "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
  "a range that overflows":
    "{{ range(9223372036854775807, 9223372036854775800, -3) | length }}{{ range(-9e18 | int, 5) }}",
  "a text times a billion": "{{ 'a' * 1000000000 }}",
  "a text that doubles": `{% set s = 'aaaaaaaa' %}${"{% set s = s ~ s %}".repeat(40)}{{ s | length }}`,
  "a list in itself": "{% set a = [] %}{% set b = a.append(a) %}{{ a }}",
  "an object in itself": "{% set n = namespace(x=1) %}{% set n.x = n %}{{ n | tojson }}",
  "lists that double": `{% set a = [1, 1] %}${"{% set a = [a, a] %}".repeat(40)}{{ a | string }}`,
  "loops in loops":
    "{% for a in range(2000) %}{% for b in range(2000) %}{% for c in range(2000) %}x{% endfor %}{% endfor %}{% endfor %}",
  "a wide indent": "{{ 'a\nb' | indent(2000000000) }}",
  "a filter block with a wide indent": "{% filter indent(2000000000, true) %}a{% endfilter %}",
  "50,000 parentheses": `{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`,
  "50,000 lists": `{{ ${"[".repeat(50_000)}${"]".repeat(50_000)} }}`,
  "100,000 negations": `{{ ${"not ".repeat(100_000)}true }}`,
  "20,000 negations": `{{ ${"not ".repeat(20_000)}true }}`,
  "50,000 conditions": `${"{% if true %}".repeat(50_000)}x${"{% endif %}".repeat(50_000)}`,
  "5,000 conditions": `${"{% if true %}".repeat(5_000)}x${"{% endif %}".repeat(5_000)}`,
  "a chain of 30,000 members": `{{ messages${".a".repeat(30_000)} }}`,
};

for (const [title, template] of Object.entries(endless)) {
  test(`a chat template with ${title} is refused`, async (t) => {
    const pair = await openPair(t, { prefill: { metadata: { "tokenizer.chat_template": text(template) } } });
    const error = t.throws(() => pair.encode(chat), { code: "ERR_MODEL_UNSUPPORTED" });
    t.regex(error?.message ?? "", /the chat template is refused: the template /);
  });
}

test("a chat template that divides by zero or sorts what has no order is a coded error", async (t) => {
  for (const template of [
    "{{ 5 is divisibleby(0) }}",
    "{{ [5] | select('divisibleby', 0) | list }}",
    "{{ [3, none, 'x', 1] | sort }}",
    "{% call range(1000000000) %}{% endcall %}",
  ]) {
    const pair = await openPair(t, { prefill: { metadata: { "tokenizer.chat_template": text(template) } } });
    await refusal(t, "ERR_DATA_INVALID", () => pair.encode(chat), template);
  }
});

test("what real templates do stays possible under the limits", async (t) => {
  const template =
    "{%- macro turn(m, end='!') -%}<{{ m.role | upper }}>{{ m['content'] | trim }}{{ end }}{%- endmacro -%}" +
    "{%- set ns = namespace(n=0, all=[]) -%}" +
    "{%- for m in messages if m.role != 'system' -%}{%- set ns.n = ns.n + 1 -%}{{ turn(m, end='.') }}" +
    "{%- if loop.last and not add_generation_prompt -%}{% filter upper %}end{% endfilter %}{%- endif -%}{%- endfor -%}" +
    "{{ '[%s]' | replace('%s', ns.n | string) }}{{ ['b', 'a'] | sort | join('-') }}{{ {'a': [1, 2]} | tojson(indent=2) }}" +
    "{{ range(3) | list }}{{ 'x' * 3 }}{{ messages[0:1] | length }}{{ 'es' in 'yes' }}{{ 4 is divisibleby(2) }}";
  const pair = await openPair(t, { prefill: { metadata: { "tokenizer.chat_template": text(template) } } });
  // A template that ends with more than the answer is no chat for training, but it has been rendered to be found so.
  const error = t.throws(() => pair.encode(chat));
  t.regex(error?.message ?? "", /does not put the answer/);
});

for (const alignment of [1, 2, 4, 8, 16])
  test(`a model whose tensors are aligned to ${alignment} bytes is refused`, async (t) => {
    const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"), {
      metadata: { "general.alignment": u32(alignment) },
    });
    const error = await refusal(t, "ERR_MODEL_UNSUPPORTED", loadPair({ ...quiet, prefill: { model: path } }));
    t.regex(error.message, new RegExp(`aligned to ${alignment} bytes`));
  });

/** A pair of a model and its copy shares one cache and answers as the model alone. */
async function sharesAndWritesAlike(t: ExecutionContext, path: string, copy: string): Promise<void> {
  const answers: number[][] = [];
  for (const decode of [undefined, { model: copy }]) {
    await using pair = await loadPair({ ...quiet, prefill: { model: path }, ...(decode && { decode }) });
    await using session = await pair.createSession();
    const answer = await session.generate([5, 6, 7, 8, 9], { maxTokens: 24, temperature: 0 });
    t.is(answer.handover.kind, "share");
    answers.push([...answer.tokens]);
  }
  t.deepEqual(answers[1], answers[0]);
}

test("a model with a sliding window and no layer that uses it is refused", async (t) => {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"), {
    architecture: "gemma3",
    nLayers: 2,
    slidingWindow: { window: 16, pattern: 1 },
  });
  const error = await refusal(t, "ERR_MODEL_UNSUPPORTED", loadPair({ ...quiet, prefill: { model: path } }));
  t.regex(error.message, /sliding window/);
});

test("models whose layers are all sliding share a cache, and write what the model alone writes", async (t) => {
  const dir = withTempDir(t);
  const sliding = { architecture: "gemma3", nLayers: 2, slidingWindow: { window: 32, pattern: 3 } } as const;
  const { path } = await writeTinyModel(join(dir, "a.gguf"), sliding);
  const { path: copy } = await writeTinyModel(join(dir, "b.gguf"), sliding);
  await sharesAndWritesAlike(t, path, copy);
});

/** Six layers, every other one sliding; the last `shared` have no K and V of their own. */
function gemma4(seed: number, shared: number, nFf: number): TinyModelOptions {
  const nLayers = 6;
  const sizes: Record<string, number> = {
    context_length: 512,
    embedding_length: 64,
    block_count: nLayers,
    feed_forward_length: nFf,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 32,
    "attention.value_length": 32,
    "rope.dimension_count": 32,
    "attention.sliding_window": 32,
    "attention.key_length_swa": 32,
    "attention.value_length_swa": 32,
    embedding_length_per_layer_input: 0,
    "attention.shared_kv_layers": shared,
  };
  const metadata: Record<string, GgufValue> = {
    "general.architecture": text("gemma4"),
    "gemma4.attention.layer_norm_rms_epsilon": f32(1e-5),
    "gemma4.rope.freq_base": f32(10000),
    "gemma4.attention.sliding_window_pattern": {
      type: "array",
      of: "bool",
      values: Array.from({ length: nLayers }, (_, i) => i % 2 === 0),
    },
  };
  for (const [key, value] of Object.entries(sizes)) metadata[`gemma4.${key}`] = u32(value);
  return {
    architecture: "gemma3",
    nLayers,
    seed,
    nFf,
    slidingWindow: { window: 32, pattern: 2 },
    tensorEdit: (tensors) => [
      ...tensors,
      { name: "rope_freqs.weight", type: "f32", dims: [16], values: new Float32Array(16).fill(1) },
    ],
    metadata,
  };
}

test("models whose last layers reuse the KV cache of earlier ones share it, and write what the model alone writes", async (t) => {
  const dir = withTempDir(t);
  const { path } = await writeTinyModel(join(dir, "a.gguf"), gemma4(1, 2, 128));
  const { path: copy } = await writeTinyModel(join(dir, "b.gguf"), gemma4(1, 2, 128));
  await sharesAndWritesAlike(t, path, copy);
});

test("layers that reuse the KV cache of layers that have none are refused", async (t) => {
  for (const shared of [5, 6, 7]) {
    const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"), gemma4(1, shared, 128));
    await refusal(t, "ERR_MODEL_INVALID", loadPair({ ...quiet, prefill: { model: path } }));
  }
});

test("a translation is refused to a pair of one model, and made where the same model is named twice", async (t) => {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"));
  await refusal(t, "ERR_HANDOVER_UNAVAILABLE", loadPair({ ...quiet, prefill: { model: path }, handover: "translate" }));
  await using pair = await loadPair({
    ...quiet,
    prefill: { model: path },
    decode: { model: path },
    handover: "translate",
  });
  await using session = await pair.createSession();
  const { handover } = await session.generate([5, 6, 7], { maxTokens: 2, temperature: 0 });
  t.is(handover.kind, "translate");
});
