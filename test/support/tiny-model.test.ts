import test from "ava";
import { decodeGguf, tensorValues } from "./gguf-reader.js";
import { encodeGguf } from "./gguf-writer.js";
import { withTempDir } from "./temp-dir.js";
import { type TinyModelOptions, tinyModel, writeTinyModel } from "./tiny-model.js";
import { architectures } from "./tiny-model-architectures.js";
import { builtInTokenizer, tokenTypes } from "./tokenizers.js";

const contents = async (options?: TinyModelOptions) => decodeGguf(encodeGguf((await tinyModel(options)).file).bytes);

test("equal options give equal files, another seed gives another", async (t) => {
  const bytes = async (seed: number) => encodeGguf((await tinyModel({ seed })).file).bytes;
  t.deepEqual(await bytes(5), await bytes(5));
  t.notDeepEqual(await bytes(5), await bytes(6));
});

test("layers can be those of a deeper model of the same seed", async (t) => {
  const deep = await contents({ nLayers: 4 });
  const cut = await contents({ layers: [0, 3] });
  t.deepEqual(tensorValues(cut, "blk.1.ffn_up.weight"), tensorValues(deep, "blk.3.ffn_up.weight"));
  t.deepEqual(tensorValues(cut, "token_embd.weight"), tensorValues(deep, "token_embd.weight"));
  t.false(cut.tensors.some(({ name }) => name.startsWith("blk.2.")));
});

test("a quantised model has the values of the float one, and vectors stay f32", async (t) => {
  const exact = await contents();
  const quantised = await contents({ weightType: "q8_0" });
  const [a, b] = [exact, quantised].map((model) => tensorValues(model, "blk.0.attn_k.weight"));
  t.true(a?.every((value, i) => Math.abs(value - (b?.[i] ?? Number.NaN)) < 0.005));
  t.is(quantised.tensors.find(({ name }) => name === "blk.0.attn_k.weight")?.type, "q8_0");
  t.is(quantised.tensors.find(({ name }) => name === "output_norm.weight")?.type, "f32");
});

test("a tokenizer can come from another file, and be edited", async (t) => {
  const { path, nVocab } = await writeTinyModel(`${withTempDir(t)}/spm.gguf`, { tokenizer: "spm" });
  const { metadata } = await contents({
    tokenizerFrom: path,
    vocabEdit: (tokens) => tokens.map((token, id) => (id === 300 ? "edited" : token)),
  });
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const list: readonly unknown[] = tokens?.type === "array" ? tokens.values : [];
  t.is(list.length, nVocab);
  t.is(list[300], "edited");
  t.deepEqual(metadata.get("tokenizer.ggml.model"), { type: "string", value: "llama" });
});

test("control tokens are never the likeliest", async (t) => {
  const { types } = builtInTokenizer("bpe");
  const rows = tensorValues(await contents(), "token_embd.weight");
  const size = (id: number) => Math.hypot(...rows.subarray(id * 64, (id + 1) * 64));
  types.forEach((type, id) => {
    t.is(size(id) < 0.1, type === tokenTypes.control);
  });
});

test("metadata entries can be replaced and taken out", async (t) => {
  const { metadata } = await contents({
    metadata: { "llama.block_count": { type: "u32", value: 9 }, "general.name": undefined },
  });
  t.deepEqual(metadata.get("llama.block_count"), { type: "u32", value: 9 });
  t.false(metadata.has("general.name"));
});

const impossible: readonly (readonly [title: string, reason: RegExp, options: TinyModelOptions])[] = [
  ["heads that KV heads do not divide", /multiple of nKvHeads/, { nHeads: 4, nKvHeads: 3 }],
  ["an odd head size", /even/, { headSize: 31 }],
  ["a qwen2 width that its heads do not fill", /nHeads \* headSize/, { architecture: "qwen2", nEmbd: 64 }],
  ["an output matrix in gemma2", /tied/, { architecture: "gemma2", tiedEmbeddings: false }],
  ["an output matrix of its own missing in olmo2", /not tied/, { architecture: "olmo2", tiedEmbeddings: true }],
  ["RoPE factors in qwen3", /no ropeFreqFactors/, { architecture: "qwen3", ropeFreqFactors: new Float32Array(16) }],
  ["rows that do not fill blocks", /multiples of 32/, { nEmbd: 48, weightType: "q4_0" }],
];

for (const [title, reason, options] of impossible) {
  test(`a model with ${title} is refused`, async (t) => {
    await t.throwsAsync(tinyModel(options), { instanceOf: RangeError, message: reason });
  });
}

for (const architecture of architectures) {
  test(`${architecture} models name their architecture in every key of it`, async (t) => {
    const { metadata } = await contents({ architecture });
    t.deepEqual(metadata.get("general.architecture"), { type: "string", value: architecture });
    t.true(metadata.has(`${architecture}.attention.head_count_kv`));
    t.is(metadata.has(`${architecture}.attention.sliding_window`), ["gemma2", "gemma3"].includes(architecture));
  });
}
