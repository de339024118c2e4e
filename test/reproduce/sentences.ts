/** Documents for models that learn nothing: sentences of a few words. */

import type { Document } from "../../scripts/reproduce/language/corpus.js";
import { mulberry32 } from "../support/random.js";

export function sentences(seed: number, count: number): Document[] {
  const random = mulberry32(seed);
  const words = ["the", "whale", "swims", "white", "sea", "a", "ship", "sails", "under", "over", "and", "sees"];
  const sentence = () => Array.from({ length: 6 }, () => words[Math.floor(random() * words.length)]).join(" ");
  return Array.from({ length: count }, (_, i) => ({
    title: `document ${i}`,
    text: Array.from({ length: 40 }, () => `${sentence()}.`).join(" "),
  }));
}
