/**
 * Look-ups in a little table, and a small trained pair that can do nothing else. A prompt is rows of
 * `name object color place`, then `Find KEY`; the answer is the rest of the row that has KEY. Equal seeds give equal
 * look-ups, the ones that docs/heal.md's and docs/prune.md's numbers were measured on.
 *
 * The full model (870k parameters) was trained from scratch, 900 steps on random words four times over, then 1,100 on
 * look-ups; the student is the full model with half of its width, healed on its KV cache. In two stages they answer all
 * look-ups right, the student alone one in fifteen.
 */

import { fileURLToPath } from "node:url";
import type { ModelSource } from "../../lib/index.js";
import { mulberry32, type Random } from "./random.js";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export const lookupPair: { readonly prefill: ModelSource; readonly decode: ModelSource } = {
  prefill: { model: fixture("lookups-prefill.gguf") },
  decode: { model: fixture("lookups-decode.gguf") },
};

/** A small table; the answer is ` ball red kitchen`. */
export const lookupPrompt = [
  "",
  " Anna cup blue garden",
  " Tim ball red kitchen",
  " Lily hat green attic",
  " Max key white garage",
  " Sue lamp black cellar",
  " Find Tim",
].join("\n");

const columns = [
  "Tim Anna Bob Lily Max Sue Tom Eva Sam Mia Leo Zoe Ben Amy Dan Kim Nora Paul Rosa Hugo Ella Finn Ruth Owen",
  "ball box cup hat key book lamp ring coin bell drum kite boat doll fan jar rope sock tent vase wand yoyo pen map",
  "red blue green white black pink gray gold brown purple",
  "kitchen garden attic garage cellar school barn office library harbor",
].map((words) => words.split(" "));

export interface Lookup {
  /** The table and the question, from a newline to the key, without a space after it. */
  readonly prompt: string;
  /** One to three words, each with a space before it. */
  readonly answer: string;
}

export interface LookupOptions {
  /** @default 50 */
  readonly count?: number;
  /** Rows of each table, 1 to 10 (a word stands in one row only, and there are ten colors). @default 8 */
  readonly rows?: number;
}

/** Look-ups for a seed (a 32-bit integer). Throws a RangeError for a number of rows that there are not words for. */
export function lookups(seed: number, { count = 50, rows = 8 }: LookupOptions = {}): Lookup[] {
  const most = Math.min(...columns.map((words) => words.length));
  if (!Number.isInteger(rows) || rows < 1 || rows > most)
    throw new RangeError(`rows: expected 1 to ${most}, got ${rows}`);
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => {
    const drawn = columns.map((words) => draw(words, rows, random));
    const table = Array.from({ length: rows }, (_, row) => drawn.map((words) => words[row] ?? ""));
    const answerRow = table[Math.floor(random() * rows)] ?? [];
    const key = Math.floor(random() * 3); // never the last column: it has nothing after it
    return {
      prompt: `${table.map((row) => `\n ${row.join(" ")}`).join("")}\n Find ${answerRow[key]}`,
      answer: ` ${answerRow.slice(key + 1).join(" ")}`,
    };
  });
}

/** `count` different words in random order. */
function draw(words: readonly string[], count: number, random: Random): string[] {
  const rest = [...words];
  return Array.from({ length: count }, () => rest.splice(Math.floor(random() * rest.length), 1)[0] ?? "");
}
