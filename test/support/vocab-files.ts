/**
 * Real vocabularies for tests: the `ggml-vocab-*.gguf` files of the llama.cpp checkout that the build extracts into
 * `build/llama.cpp` (metadata only, no weights).
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** The vocabularies that tests use, with the kind of tokenizer each one is. */
export const vocabularies = {
  "llama-spm": "spm",
  "phi-3": "spm",
  "llama-bpe": "bpe",
  qwen2: "bpe",
  "gpt-2": "bpe",
  "nomic-bert-moe": "unigram",
} as const;

export type VocabularyName = keyof typeof vocabularies;

/** The path of a vocabulary file. Throws an Error that says to build if the checkout is not there. */
export function vocabFile(name: VocabularyName): string {
  const path = join(import.meta.dirname, "..", "..", "build", "llama.cpp", "models", `ggml-vocab-${name}.gguf`);
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm run build", which extracts llama.cpp there`);
  return path;
}
