/** How far a loaded model is from the slow forward pass. */

import type { LoadPairOptions, Pair } from "../../lib/index.js";
import { readGguf } from "../support/gguf-reader.js";
import { logSoftMax } from "../support/reference-arithmetic.js";
import { referenceForward } from "../support/reference-forward.js";
import { answerAlone, traced } from "./fixtures.js";

/** Nothing is rounded to halves on the way, so that llama.cpp's results are as tight as they come. */
export const tight = {
  cacheTypeK: "f32",
  cacheTypeV: "f32",
  flashAttention: false,
  contextSize: 128,
} as const satisfies Partial<LoadPairOptions>;

/**
 * What log-probabilities may differ by. llama.cpp computes in float32 and sums in an order of its own, which is worth some
 * 1e-5 in a log-probability. With GELU it is more: ggml takes that from a table of halves, and where an argument lies just
 * below the middle of two halves for the one and just above for the other, one channel is off by 1e-3.
 */
export const toleranceOf = (architecture: string): number => (architecture.startsWith("gemma") ? 2e-3 : 2e-4);

/**
 * The largest difference of the 20 likeliest tokens' log-probabilities between the slow pass and a pair of one model, loaded
 * with {@link tight} from `path`: at the first token, which prefilling gives, and at those decoded greedily after it.
 */
export async function referenceDistance(
  pair: Pair,
  path: string,
  prompt: readonly number[],
  nTokens = 6,
): Promise<number> {
  const { tokens, logProbs } = await answerAlone(pair, prompt, traced(nTokens, 20));
  const { logits } = referenceForward(await readGguf(path), [...prompt, ...tokens], tight);
  const differences = logProbs.flatMap(({ top }, step) => {
    const expected = logSoftMax(logits[prompt.length - 1 + step] ?? new Float64Array());
    return top.map(({ token, logProb }) => Math.abs(logProb - (expected[token] ?? Number.NaN)));
  });
  return differences.length === nTokens * 20 ? Math.max(...differences) : Number.NaN;
}
