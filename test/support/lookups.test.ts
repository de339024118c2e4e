import { createHash } from "node:crypto";
import test from "ava";
import { lookups } from "./lookups.js";

const digest = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");

// The first digest is that of the look-ups on which the pair's rate was measured.
const known: readonly [seed: number, count: number, rows: number, sha256: string][] = [
  [4242, 200, 8, "d5f4a22846f824d867363df850ce3e858c8b8e2eb1e6be04c70d6d52fea7fda4"],
  [1, 50, 8, "ea12c40a1d7fb998459a8b26be4d9c850994dd5e01fa5e2bf8ceb754df870d7c"],
  [-7, 20, 3, "2fb9d4818672ed0a00968fcf383898984100c48c3a2cdaf8857cc53350c1ce85"],
  [2 ** 31, 10, 10, "77b4394e90b3e1960b808bc016c02281e6506a3f2dabf0d6793f51afafd0fbf2"],
];

for (const [seed, count, rows, sha256] of known) {
  test(`look-ups for seed ${seed} in ${rows} rows are those the pair was trained on`, (t) => {
    t.is(digest(lookups(seed, { count, rows })), sha256);
  });
}

test("a look-up is a table, a question and the rest of the row", (t) => {
  t.deepEqual(lookups(1, { count: 1, rows: 3 }), [
    {
      prompt: "\n Kim map gray harbor\n Tim pen gold cellar\n Ben lamp white garage\n Find map",
      answer: " gray harbor",
    },
  ]);
});

test("there are 50 look-ups of 8 rows if not told otherwise", (t) => {
  t.deepEqual(lookups(9), lookups(9, { count: 50, rows: 8 }));
});

test("the answer stands in the table, after the key", (t) => {
  for (const { prompt, answer } of lookups(3, { count: 200 })) {
    const key = prompt.split(" ").at(-1);
    t.true(prompt.includes(` ${key}${answer}\n`));
  }
});

test("tables that there are not words for are refused", (t) => {
  for (const rows of [0, 11, 2.5]) t.throws(() => lookups(1, { rows }), { instanceOf: RangeError, message: /1 to 10/ });
});
