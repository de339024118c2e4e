/**
 * `npm run data:lookups`: training data for the demo pair's task, as JSONL of prompts and responses, or as plain text to
 * measure importance on. Equal options give equal files; another seed gives other tables, to be held out.
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
const made = lookups(wholeNumber("seed"), { count: wholeNumber("count"), rows: wholeNumber("rows") });
// A word is a token together with the space before it, so the response begins with one. BOS and the end token are added
// when the data is read.
const lines = values.text
  ? made.map(({ prompt, answer }) => `${prompt}${answer}`)
  : made.map(({ prompt, answer }) => `${JSON.stringify({ prompt, response: answer })}\n`);
await writeFile(values.out, lines.join(""));
console.log(`${values.out}: ${made.length} look-ups`);
