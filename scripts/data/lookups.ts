/**
 * `npm run data:lookups`: training data of little look-ups, as JSONL of prompts and responses, or as plain text to
 * measure importance on. Equal options give equal files; another seed gives other tables, to be held out.
 *
 * The text has only look-ups with an answer of three words, which are all of one length: 46 tokens of the pair's at
 * 8 rows, 47 with the BOS token that a sample begins with. So a sample of that length is one look-up, as in training.
 *
 *     npm run data:lookups -- --out train.jsonl [--count 20000] [--seed 7] [--rows 8] [--text]
 */

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { lookups } from "../../test/support/lookups.js";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    count: { type: "string", default: "20000" },
    seed: { type: "string", default: "7" },
    rows: { type: "string", default: "8" },
    text: { type: "boolean", default: false },
  },
});

function wholeNumber(name: "count" | "seed" | "rows"): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`--${name}: expected a whole number`);
  return value;
}

if (values.out === undefined) throw new TypeError("--out: expected a file to write");
const count = wholeNumber("count");
// One in three has an answer of three words: the key is drawn from three columns.
const drawn = lookups(wholeNumber("seed"), { count: values.text ? 4 * count : count, rows: wholeNumber("rows") });
const made = values.text ? drawn.filter(({ answer }) => answer.split(" ").length === 4).slice(0, count) : drawn;
// A word is a token together with the space before it, so the response begins with one. BOS and the end token are added
// when the data is read.
const lines = values.text
  ? made.map(({ prompt, answer }) => `${prompt}${answer}`)
  : made.map(({ prompt, answer }) => `${JSON.stringify({ prompt, response: answer })}\n`);
await writeFile(values.out, lines.join(""));
console.log(`${values.out}: ${made.length} look-ups`);
