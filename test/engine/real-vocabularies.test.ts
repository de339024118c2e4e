/** Pairs with the vocabularies of real models: SentencePiece BPE, byte-level BPE and Unigram. The weights are random. */

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { type VocabularyName, vocabFile } from "../support/vocab-files.js";
import { answerAlone, openPair, someTokens, traced } from "./fixtures.js";

const multilingual = "Grüße, 世界! 👩‍🚀🚀 مرحبا بالعالم — שלום עולם, e\u0301 🇮🇸";

const cases: readonly (readonly [name: VocabularyName, nVocab: number, prompt: string])[] = [
  ["llama-spm", 32_000, multilingual],
  ["qwen2", 151_936, multilingual],
  ["nomic-bert-moe", 250_048, "hello world, how are you?"],
];

// One after another: the models are large for tiny ones, and one JavaScript thread writes them.
for (const [name, nVocab, prompt] of cases) {
  test.serial(
    `${name}: a model and its copy share, write as the model alone does, and their text comes back whole`,
    async (t) => {
      const dir = withTempDir(t);
      const { path } = await writeTinyModel(join(dir, "model.gguf"), {
        tokenizerFrom: vocabFile(name),
        weightType: "f16",
        nEmbd: 32,
        nLayers: 1,
      });
      const copy = join(dir, "copy.gguf");
      await copyFile(path, copy);
      // A model that only reads may lie in memory in another way than one that writes, which then rounds in another.
      const kernels = false;
      const pair = await openPair(t, { prefill: path, decode: copy, handover: "share", maxSessions: 2, kernels });
      const alone = await openPair(t, { prefill: path, kernels });
      t.is(pair.info.prefill.vocabularySize, nVocab);
      t.is(pair.info.plan.kind, "share");
      t.deepEqual(pair.info.plan.notes, []);

      const tokens = pair.tokenize(prompt);
      t.is(pair.detokenize(tokens).trim(), prompt);

      for (const input of [prompt, someTokens(60)]) {
        const shared = await answerAlone(pair, input, traced(48));
        const expected = await answerAlone(alone, input, traced(48));
        t.is(shared.tokens.length, 48);
        t.deepEqual(shared.logProbs, expected.logProbs);
        t.is(shared.text, expected.text);
        t.is(shared.text.trimStart(), pair.detokenize(shared.tokens).trimStart());
      }
    },
  );
}
