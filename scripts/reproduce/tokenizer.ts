/**
 * Byte-level BPE (Sennrich et al., arXiv 1508.07909; on bytes as in GPT-2), learned from a text: 256 bytes, then merges of
 * the most frequent pair of neighbours inside a word, until there are `size` tokens or no pair is frequent enough.
 */

import { bool, type GgufMetadata, i32Array, text, textArray, u32 } from "../../test/support/gguf-format.js";
import { byteCharacter, tokenTypes } from "../../test/support/tokenizers.js";

export interface LearnedTokenizer {
  /** All `tokenizer.*` entries of a GGUF file. */
  readonly metadata: GgufMetadata;
  readonly tokens: readonly string[];
}

/**
 * @param sample what it is learned from
 * @param size tokens at most, with the two control tokens
 * @param minFrequency of a pair, as a share of all words: a rarer one is not merged
 */
export function learnTokenizer(sample: string, size: number, minFrequency: number): LearnedTokenizer {
  const words = countWords(sample);
  let total = 0;
  for (const count of words.values()) total += count;
  const split = [...words].map(([word, count]) => ({
    count,
    parts: [...new TextEncoder().encode(word)].map(byteCharacter),
  }));
  const tokens = Array.from({ length: 256 }, (_, byte) => byteCharacter(byte));
  const merges: string[] = [];
  while (tokens.length + 2 < size) {
    const best = mostFrequentPair(split);
    if (!best || best.count < minFrequency * total) break;
    const [left, right] = best.pair.split(" ") as [string, string];
    merges.push(best.pair);
    tokens.push(left + right);
    for (const word of split) word.parts = merge(word.parts, left, right);
  }
  return toTokenizer(tokens, merges);
}

/** GPT-2 keeps a space with the word behind it; the texts here have words, numbers and newlines only. */
function countWords(sample: string): Map<string, number> {
  const words = new Map<string, number>();
  for (const [word] of sample.matchAll(/ ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s/g))
    words.set(word, (words.get(word) ?? 0) + 1);
  return words;
}

interface SplitWord {
  readonly count: number;
  parts: string[];
}

/** Of equally frequent ones the first in the order of their characters, so that the order of words does not matter. */
function mostFrequentPair(words: readonly SplitWord[]): { pair: string; count: number } | undefined {
  const counts = new Map<string, number>();
  for (const { count, parts } of words)
    for (let i = 0; i + 1 < parts.length; i++) {
      const pair = `${parts[i]} ${parts[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  let best: { pair: string; count: number } | undefined;
  for (const [pair, count] of counts)
    if (!best || count > best.count || (count === best.count && pair < best.pair)) best = { pair, count };
  return best;
}

function merge(parts: readonly string[], left: string, right: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < parts.length; i++)
    if (parts[i] === left && parts[i + 1] === right) {
      out.push(left + right);
      i++;
    } else out.push(parts[i] as string);
  return out;
}

function toTokenizer(learned: readonly string[], merges: readonly string[]): LearnedTokenizer {
  const tokens = [...learned, "<|begin|>", "<|end|>"];
  const types = tokens.map((_, id) => (id < learned.length ? tokenTypes.normal : tokenTypes.control));
  return {
    tokens,
    metadata: [
      ["tokenizer.ggml.model", text("gpt2")],
      ["tokenizer.ggml.pre", text("gpt-2")],
      ["tokenizer.ggml.tokens", textArray(tokens)],
      ["tokenizer.ggml.token_type", i32Array(types)],
      ["tokenizer.ggml.merges", textArray(merges)],
      ["tokenizer.ggml.bos_token_id", u32(tokens.length - 2)],
      ["tokenizer.ggml.eos_token_id", u32(tokens.length - 1)],
      ["tokenizer.ggml.add_bos_token", bool(true)],
    ],
  };
}
