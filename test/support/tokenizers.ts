/**
 * Three small tokenizers, one of each kind that llama.cpp's decoder models use, and the tokenizer of any GGUF file.
 *
 * - `bpe`: GPT-2 byte-level BPE. All 256 bytes are tokens, so any text comes back byte for byte.
 * - `spm`: SentencePiece BPE as in Llama 2. Characters outside its pieces fall back to byte tokens, so any text comes back.
 * - `unigram`: SentencePiece unigram as in T5. It has no byte fallback: a character outside its pieces becomes `<unk>`.
 */

import { bool, f32Array, type GgufValue, i32Array, text, textArray, u32 } from "./gguf-format.js";
import { readGguf } from "./gguf-reader.js";

/** llama.cpp's `llama_token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export type TokenizerKind = "bpe" | "spm" | "unigram";

export interface Tokenizer {
  /** The `tokenizer.*` entries, but the tokens themselves. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tokens: readonly string[];
  /** A code of {@link tokenTypes} per token. */
  readonly types: readonly number[];
}

interface Token {
  readonly text: string;
  readonly type: number;
  /** Larger is preferred: SPM merges by it, unigram adds it up. */
  readonly score: number;
}

/** Pieces that are common in English, in the order in which BPE learns them: left half, right half. */
const merges =
  "Ġ t|h e|Ġt he|i n|Ġ a|e r|o n|r e|Ġ s|a t|Ġ o|o r|e n|a n|Ġ w|e s|i s|i t|n d|Ġa nd|in g|o u|Ġo f|e d|a l|Ġ b|l l|o w|Ġ i|l o|r a|Ġ c|u n|t i"
    .split("|")
    .map((merge) => merge.split(" "));

/** The built-in tokenizer of a kind: about 300 tokens, BOS and EOS marked where the kind has them. */
export function builtInTokenizer(kind: TokenizerKind): Tokenizer {
  switch (kind) {
    case "bpe":
      return bpe();
    case "spm":
      return spm();
    case "unigram":
      return unigram();
  }
}

/** The tokenizer of a GGUF file, such as llama.cpp's vocabulary files. Throws an Error if the file has none. */
export async function tokenizerFrom(path: string): Promise<Tokenizer> {
  const { metadata: all } = await readGguf(path);
  const metadata = new Map([...all].filter(([key]) => key.startsWith("tokenizer.")));
  const list = metadata.get("tokenizer.ggml.tokens");
  if (list?.type !== "array" || list.of !== "string") throw new Error(`${path} has no tokenizer`);
  metadata.delete("tokenizer.ggml.tokens");
  const types = metadata.get("tokenizer.ggml.token_type");
  const known = types?.type === "array" && types.of === "i32" ? types.values : [];
  return { metadata, tokens: list.values, types: list.values.map((_, id) => known[id] ?? tokenTypes.normal) };
}

function bpe(): Tokenizer {
  const bytes = Array.from({ length: 256 }, (_, byte) => normal(byteCharacter(byte)));
  const merged = merges.map((halves) => normal(halves.join("")));
  const tokens = [...bytes, ...merged, control("<|begin_of_text|>"), control("<|end_of_text|>")];
  return tokenizer(tokens, {
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.pre": text("gpt-2"),
    "tokenizer.ggml.merges": textArray(merges.map((halves) => halves.join(" "))),
    "tokenizer.ggml.bos_token_id": u32(tokens.length - 2),
    "tokenizer.ggml.eos_token_id": u32(tokens.length - 1),
    "tokenizer.ggml.add_bos_token": bool(true),
  });
}

function spm(): Tokenizer {
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    type: tokenTypes.byte,
    score: 0,
  }));
  const unknown = { text: "<unk>", type: tokenTypes.unknown, score: 0 };
  const tokens = [unknown, control("<s>"), control("</s>"), ...bytes, ...pieces((rank) => -rank)];
  return tokenizer(tokens, {
    "tokenizer.ggml.model": text("llama"),
    "tokenizer.ggml.pre": text("default"),
    "tokenizer.ggml.bos_token_id": u32(1),
    "tokenizer.ggml.eos_token_id": u32(2),
    "tokenizer.ggml.unknown_token_id": u32(0),
    "tokenizer.ggml.add_bos_token": bool(true),
  });
}

function unigram(): Tokenizer {
  const unknown = { text: "<unk>", type: tokenTypes.unknown, score: 0 };
  const foreign = [..."éßжשלוםمرحبا世界🙂🚀👍"].map((character) => ({ ...normal(character), score: -9 }));
  const tokens = [control("<pad>"), control("</s>"), unknown, ...pieces((rank) => -4 - rank / 50), ...foreign];
  return tokenizer(tokens, {
    "tokenizer.ggml.model": text("t5"),
    "tokenizer.ggml.pre": text("default"),
    "tokenizer.ggml.padding_token_id": u32(0),
    "tokenizer.ggml.eos_token_id": u32(1),
    "tokenizer.ggml.unknown_token_id": u32(2),
    "tokenizer.ggml.add_bos_token": bool(false),
    "tokenizer.ggml.add_eos_token": bool(false),
    "tokenizer.ggml.add_space_prefix": bool(false),
    "tokenizer.ggml.remove_extra_whitespaces": bool(false),
  });
}

/** SentencePiece pieces: the merges, then the printable ASCII characters; a space is written as U+2581. */
function pieces(scoreOfRank: (rank: number) => number): Token[] {
  const merged = merges.map((halves) => halves.join("").replaceAll("Ġ", "▁"));
  const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  return [...merged, "▁", ...characters, "\n"].map((piece, rank) => ({
    text: piece,
    type: tokenTypes.normal,
    score: scoreOfRank(rank),
  }));
}

function tokenizer(tokens: readonly Token[], entries: Record<string, GgufValue>): Tokenizer {
  const metadata = new Map(Object.entries(entries));
  metadata.set("tokenizer.ggml.scores", f32Array(tokens.map((token) => token.score)));
  metadata.set("tokenizer.ggml.token_type", i32Array(tokens.map((token) => token.type)));
  return { metadata, tokens: tokens.map((token) => token.text), types: tokens.map((token) => token.type) };
}

function normal(piece: string): Token {
  return { text: piece, type: tokenTypes.normal, score: 0 };
}

function control(name: string): Token {
  return { text: name, type: tokenTypes.control, score: 0 };
}

/** GPT-2's printable stand-in for a byte: itself where it prints, else the next free character from U+0100 on. */
export function byteCharacter(byte: number): string {
  const prints = (code: number) => (code >= 33 && code <= 126) || (code >= 161 && code <= 172) || code >= 174;
  if (prints(byte)) return String.fromCharCode(byte);
  const rank = Array.from({ length: byte }, (_, code) => code).filter((code) => !prints(code)).length;
  return String.fromCharCode(256 + rank);
}
