/** The tokenizer that the reproduction learns: BPE as llama.cpp reads it, with names of two tokens whether held out or not. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { createModel } from "../../lib/index.js";
import { questionsOf, tokenizerFile } from "../../scripts/reproduce/data.js";
import { learnTokenizer } from "../../scripts/reproduce/tokenizer.js";
import { colors, heldOutNames, numbers, places, things, trainedNames } from "../../scripts/reproduce/words.js";
import { openPair } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";

test("merges are those of the most frequent pairs, by hand", (t) => {
  // Words: " aab" 3 times, " ab" twice, the first without its space. Pairs: a b 5, Ġ a 4, a a 3; then Ġ + ab and so on.
  const { tokens, metadata } = learnTokenizer("aab aab aab ab ab", 256 + 2 + 3, 0);
  t.deepEqual(tokens.slice(256, 259), ["ab", "aab", "Ġaab"]);
  const merges = metadata.find(([key]) => key === "tokenizer.ggml.merges")?.[1];
  t.deepEqual(merges?.type === "array" ? merges.values : [], ["a b", "a ab", "Ġ aab"]);
});

test("llama.cpp brings every text back, and makes one token of a word and two of a name", async (t) => {
  const folder = withTempDir(t);
  const tokenizer = join(folder, "tokenizer.gguf");
  writeFileSync(tokenizer, tokenizerFile());
  const model = join(folder, "model.gguf");
  await createModel({ out: model, tokenizer, hiddenSize: 32, feedForwardSize: 32, layers: 1, heads: 1, kvHeads: 1 });
  const pair = await openPair(t, { prefill: model });
  const count = (word: string) => pair.tokenize(` ${word}`).length;
  t.deepEqual([...new Set([...colors, ...things, ...places, ...numbers].map(count))], [1]);
  t.deepEqual([...new Set([...trainedNames, ...heldOutNames].map(count))], [2]);
  for (const { prompt, answer } of questionsOf("heldOut", 5))
    t.is(pair.detokenize(pair.tokenize(prompt + answer)), prompt + answer);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      t.is(pair.detokenize(pair.tokenize(text)), text);
    }),
    { numRuns: 100 },
  );
});

/** The definition: all pairs are counted again before each merge. */
function mergesByDefinition(words: readonly string[], count: number): string[] {
  const split = words.map((word) => [...word]);
  const merges: string[] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const parts of split)
      for (let i = 0; i + 1 < parts.length; i++) {
        const pair = `${parts[i]} ${parts[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    const [best] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    if (!best) break;
    const [left = "", right = ""] = best[0].split(" ");
    merges.push(best[0]);
    for (const parts of split)
      for (let i = 0; i + 1 < parts.length; i++)
        if (parts[i] === left && parts[i + 1] === right) parts.splice(i, 2, left + right);
  }
  return merges;
}

test("counts that are kept up to date give the merges of counting anew", (t) => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), (words) => {
      // Without a space before them, each on a line of its own.
      const { metadata } = learnTokenizer(words.join("\n"), 256 + 2 + 12, 0);
      const merges = metadata.find(([key]) => key === "tokenizer.ggml.merges")?.[1];
      t.deepEqual(merges?.type === "array" ? merges.values : [], mergesByDefinition(words, 12));
    }),
  );
});
