/**
 * `npm run report:lookups`: how many look-ups decode models answer exactly, greedily: on the full model's reading, and by
 * themselves.
 *
 *     npm run report:lookups -- --full FILE [--count 200] [--seed 4242] DECODE...
 *
 * Needs a built addon.
 */

import { basename } from "node:path";
import { parseArgs } from "node:util";
import CliTable3 from "cli-table3";
import { loadPair } from "../../lib/index.js";
import { type Lookup, lookups } from "../../test/support/lookups.js";

/** Longer than any answer; a model that has not learned to end may never do so. */
const maxTokens = 16;

/** Right answers of a pair, or of a model that reads and writes. */
async function countRight(questions: readonly Lookup[], prefill: string, decode = prefill): Promise<number> {
  await using pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode }, gpu: false });
  let right = 0;
  for (const { prompt, answer } of questions) {
    await using session = await pair.createSession();
    const { text } = await session.generate(prompt, { temperature: 0, maxTokens });
    if (text === answer) right++;
  }
  return right;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: "string" },
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "4242" },
  },
});
const { full } = values;
if (full === undefined || positionals.length === 0) throw new TypeError("expected --full FILE and decode models");
const questions = lookups(Number(values.seed), { count: Number(values.count) });
const table = new CliTable3({
  head: ["decode model", "on the full model's reading", "by itself"],
  style: { head: [], border: [] },
});
const share = (right: number) => `${right} / ${questions.length}`;
for (const model of positionals)
  table.push([
    basename(model),
    share(await countRight(questions, full, model)),
    share(await countRight(questions, model)),
  ]);
console.log(table.toString());
