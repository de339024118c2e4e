/** The pair that ships with the package: two small models that look rows up in a table. */

import { fileURLToPath } from "node:url";
import type { ModelSource } from "./options.js";

const file = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

/** Ready for {@link loadPair}: `await loadPair(demoPair)`. Loads in milliseconds, needs no download. */
export const demoPair: { readonly prefill: ModelSource; readonly decode: ModelSource } = {
  prefill: { model: file("demo-prefill.gguf") },
  decode: { model: file("demo-decode.gguf") },
};

/** A prompt of the kind that the demo pair was made for; the answer is ` ball red kitchen`. */
export const demoPrompt = [
  "",
  " Anna cup blue garden",
  " Tim ball red kitchen",
  " Lily hat green attic",
  " Max key white garage",
  " Sue lamp black cellar",
  " Find Tim",
].join("\n");
