/** Text that a model has written itself: on it, and on no other, does a better KV cache make a random model's loss lower. */

import { loadPair } from "../../lib/index.js";

/** Letters and digits that no tokenizer of the fixtures merges, so that the text's tokens are the ones that were drawn. */
const characters = "bcdfgjkpquvxyz0123456789";

export interface WrittenTextOptions {
  /** @default 40 */
  readonly answers?: number;
  /** Tokens, which are characters here. @default 300 */
  readonly tokensPerAnswer?: number;
}

/** Answers of a model with a vocabulary of the fixtures to one character each, drawn at temperature 1. */
export async function writtenText(
  model: string,
  { answers = 40, tokensPerAnswer = 300 }: WrittenTextOptions = {},
): Promise<string> {
  await using pair = await loadPair({ prefill: { model }, threads: 1, gpu: false });
  const allowed = [...characters].map((character) => pair.tokenize(character).at(-1) ?? -1);
  const { vocabularySize } = pair.info.prefill;
  const logitBias = new Map(
    Array.from({ length: vocabularySize }, (_, token) => [token, Number.NEGATIVE_INFINITY] as const),
  );
  for (const token of allowed) logitBias.delete(token);
  const options = { maxTokens: tokensPerAnswer, temperature: 1, topK: 0, topP: 1, minP: 0, logitBias } as const;
  let text = "";
  for (let i = 0; i < answers; i++) {
    await using session = await pair.createSession();
    text += (await session.generate([allowed[i % allowed.length] ?? 0], { ...options, seed: i })).text;
  }
  return text;
}
