/**
 * Plain text in windows, as llama.cpp's perplexity tool cuts it: whole windows of n tokens one after the other, a BOS
 * token in place of the first one where the vocabulary adds one, and only the second half of each is scored, so that
 * every scored token has at least half a window before it. What is left over behind the last whole window goes unscored;
 * a text shorter than a window is a window by itself.
 */

export interface TextWindow {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
}

/** With fewer tokens there is nothing in the second half that has a token before it. */
export const leastWindow = 3;

/**
 * @param tokens of the whole text, with its BOS token
 * @param bos undefined for a vocabulary that adds none
 * @param size of a window, in tokens
 */
export function* cutWindows(tokens: readonly number[], bos: number | undefined, size: number): Generator<TextWindow> {
  const length = Math.min(size, tokens.length);
  if (length < leastWindow) return;
  for (let start = 0; start + length <= tokens.length; start += length) {
    const window = tokens.slice(start, start + length);
    if (bos !== undefined) window[0] = bos;
    // The logits behind the token at half are the first that count: it is the last one that is only read.
    const half = Math.floor(length / 2) + 1;
    yield { prompt: window.slice(0, half), response: window.slice(half) };
  }
}
