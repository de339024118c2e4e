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

/** GPT-2 keeps a space with the word behind it; the little stories have words, numbers and newlines only. */
const plainWords = / ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s/g;

/** What GPT-2 splits a text into before it merges anything, and llama.cpp for `gpt-2`. */
export const anyWords = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * @param sample what it is learned from
 * @param size tokens at most, with the two control tokens
 * @param minFrequency of a pair, as a share of all words: a rarer one is not merged
 * @param wordPattern what no merge goes beyond; global
 */
export function learnTokenizer(
  sample: string,
  size: number,
  minFrequency: number,
  wordPattern = plainWords,
): LearnedTokenizer {
  const words = new Map<string, number>();
  for (const [word] of sample.matchAll(wordPattern)) words.set(word, (words.get(word) ?? 0) + 1);
  let total = 0;
  for (const count of words.values()) total += count;
  const pairs = new Pairs(words);
  const tokens = Array.from({ length: 256 }, (_, byte) => byteCharacter(byte));
  const merges: string[] = [];
  while (tokens.length + 2 < size) {
    const best = pairs.mostFrequent();
    if (!best || best.count < minFrequency * total) break;
    merges.push(best.pair);
    tokens.push(pairs.merge(best.pair));
  }
  return toTokenizer(tokens, merges);
}

interface SplitWord {
  readonly count: number;
  parts: string[];
}

/** How often each pair stands in the words, kept up to date: a merge counts those words again in which it is. */
class Pairs {
  readonly #counts = new Map<string, number>();
  /** Where a pair was seen; it may have gone from there. */
  readonly #words = new Map<string, Set<SplitWord>>();

  constructor(words: ReadonlyMap<string, number>) {
    for (const [word, count] of words) {
      const split = { count, parts: [...new TextEncoder().encode(word)].map(byteCharacter) };
      this.#count(split, 1);
    }
  }

  /** Of equally frequent ones the first in the order of their characters, so that the order of words does not matter. */
  mostFrequent(): { pair: string; count: number } | undefined {
    let best: { pair: string; count: number } | undefined;
    for (const [pair, count] of this.#counts)
      if (!best || count > best.count || (count === best.count && pair < best.pair)) best = { pair, count };
    return best;
  }

  /** Makes one token of the pair wherever it stands, and gives it. */
  merge(pair: string): string {
    const [left, right] = pair.split(" ") as [string, string];
    for (const word of this.#words.get(pair) ?? []) {
      this.#count(word, -1);
      word.parts = merge(word.parts, left, right);
      this.#count(word, 1);
    }
    this.#words.delete(pair);
    return left + right;
  }

  #count(word: SplitWord, sign: 1 | -1): void {
    for (let i = 0; i + 1 < word.parts.length; i++) {
      const pair = `${word.parts[i]} ${word.parts[i + 1]}`;
      const count = (this.#counts.get(pair) ?? 0) + sign * word.count;
      if (count === 0) this.#counts.delete(pair);
      else this.#counts.set(pair, count);
      if (sign < 0) continue;
      const seen = this.#words.get(pair) ?? new Set();
      this.#words.set(pair, seen.add(word));
    }
  }
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
