/** How much text and how many tokens may be converted at once on the JavaScript thread. */

import { refusedArgument } from "../internal/check-options.js";

/** Characters and tokens that take some milliseconds: more would hold up the event loop. */
const mostCharacters = 16_384;
const mostTokens = 65_536;

/** Throws ERR_INVALID_ARGUMENT for a text, or a record as JSON, that is too long for a call that does not return a promise. */
export function refuseLongText(text: string, parameter: "text" | "record"): void {
  if (text.length <= mostCharacters) return;
  const name = parameter === "text" ? "tokenizeAsync" : "encodeAsync";
  const expected = `expected at most ${mostCharacters} characters (${name} takes more, off the JavaScript thread)`;
  throw refusedArgument(parameter, expected, String(text.length));
}

/** The same for tokens. */
export function refuseManyTokens(tokens: Int32Array): void {
  if (tokens.length <= mostTokens) return;
  const expected = `expected at most ${mostTokens} tokens (detokenizeAsync takes more, off the JavaScript thread)`;
  throw refusedArgument("tokens", expected, String(tokens.length));
}
