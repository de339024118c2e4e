/** BLEU against the examples of the paper, and against numbers worked by hand. */

import test from "ava";
import fc from "fast-check";
import { bleu, bleuStatistics, words13a } from "../../../lib/eval/metrics/bleu.js";

const words = (text: string) => text.toLowerCase().split(" ");

/** Examples 1 of Papineni et al. 2002, without punctuation. */
const references = [
  "It is a guide to action that ensures that the military will forever heed Party commands",
  "It is the guiding principle which guarantees the military forces always being under the command of the Party",
  "It is the practical guide for the army always to heed the directions of the party",
].map(words);
const candidate1 = words(
  "It is a guide to action which ensures that the military always obeys the commands of the party",
);
const candidate2 = words("It is to insure the troops forever hearing the activity guidebook that party direct");

/** Clipped matches and n-grams of an order, from 1. */
function precision(statistics: readonly number[], n: number): [matches: number, total: number] {
  return [statistics[n - 1] ?? Number.NaN, statistics[n + 3] ?? Number.NaN];
}

test("the paper's first candidate has its modified precisions", (t) => {
  const statistics = bleuStatistics(candidate1, references);
  t.deepEqual(precision(statistics, 1), [17, 18]);
  t.deepEqual(precision(statistics, 2), [10, 17]);
});

test("the paper's second candidate has its modified precisions", (t) => {
  const statistics = bleuStatistics(candidate2, references);
  t.deepEqual(precision(statistics, 1), [8, 14]);
  t.deepEqual(precision(statistics, 2), [1, 13]);
});

test("the paper's clipping: seven times `the` matches twice", (t) => {
  const statistics = bleuStatistics(words("the the the the the the the"), [
    words("The cat is on the mat"),
    words("There is a cat on the mat"),
  ]);
  t.deepEqual(precision(statistics, 1), [2, 7]);
  t.deepEqual(precision(statistics, 2), [0, 6]);
});

test("a short candidate is full of precision; the brevity penalty is what it pays", (t) => {
  // The paper's "of the" in section 2.2: 2/2 and 1/1, against the nearest length, 16.
  const statistics = bleuStatistics(words("of the"), references);
  t.deepEqual(precision(statistics, 1), [2, 2]);
  t.deepEqual(precision(statistics, 2), [1, 1]);
  t.deepEqual(statistics.slice(8), [2, 16, 1]);
});

const score = (pairs: readonly (readonly [text: string, ...references: string[]])[]) => {
  const sums = new Array<number>(bleu.width).fill(0);
  for (const [text, ...references] of pairs)
    for (const [i, value] of bleu.statistics({ text, references }).entries()) sums[i] = (sums[i] ?? 0) + value;
  return bleu.value(sums);
};
const near = (a: number, b: number) => Math.abs(a - b) < 1e-12;

test("the score is the geometric mean of four precisions times the penalty", (t) => {
  // 5 of 6, 3 of 5, 2 of 4, 1 of 3; equal lengths.
  const expected = ((5 / 6) * (3 / 5) * (2 / 4) * (1 / 3)) ** (1 / 4);
  t.true(near(score([["a b c d x f", "a b c d e f"]]), expected));
  // All right, but four words of five.
  t.true(near(score([["a b c d", "a b c d e"]]), Math.exp(1 - 5 / 4)));
  // Longer costs precision only.
  t.true(near(score([["a b c d e", "a b c d"]]), ((4 / 5) * (3 / 4) * (2 / 3) * (1 / 2)) ** (1 / 4)));
});

test("NLTK's documented scores of the paper's candidate, alone and in a corpus, come out", (t) => {
  const words = (text: string) => text.split(" ");
  const references = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
  ].map(words);
  const one = "It is a guide to action which ensures that the military always obeys the commands of the party";
  const first = bleuStatistics(words(one), references);
  t.is(bleu.value(first).toFixed(4), "0.5046");
  const second = bleuStatistics(words("he read the book because he was interested in world history"), [
    words("he was interested in world history because he read the book"),
  ]);
  t.is(bleu.value(first.map((value, i) => value + (second[i] ?? 0))).toFixed(4), "0.5921");
});

test("a corpus sums its counts before it divides", (t) => {
  const pairs = [["a b c d e", "a b c d e"] as const, ["x", "a b"] as const];
  // 5 of 6, 4 of 4, 3 of 3, 2 of 2; 6 words for 7.
  t.true(near(score(pairs), (5 / 6) ** (1 / 4) * Math.exp(1 - 7 / 6)));
});

test("without a match of some order the score is 0: there is no smoothing", (t) => {
  t.is(score([["a b c", "a b c d"]]), 0);
  t.is(score([["a b c x", "a b c d"]]), 0);
  t.is(score([["", "a b c d"]]), 0);
});

test("where no reference has four words there is no score", (t) => {
  t.true(
    Number.isNaN(
      score([
        ["a b c", "a b c"],
        ["a b c d e", "a"],
      ]),
    ),
  );
  t.is(
    score([
      ["a b c", "a b c"],
      ["x", "a b c d"],
    ]),
    0,
  );
});

test("of two references as near, the shorter length counts", (t) => {
  t.is(bleuStatistics(words("a b c"), [words("a b"), words("a b c d")])[9], 2);
  t.is(bleuStatistics(words("a b c"), [words("a b c d"), words("a b")])[9], 2);
  t.is(bleuStatistics(words("a b c"), [words("a"), words("a b c d")])[9], 4);
});

const tokenised: readonly (readonly [text: string, ...words: string[]])[] = [
  ["Hello, world!", "Hello", ",", "world", "!"],
  ["It costs 1,234.5 dollars.", "It", "costs", "1,234.5", "dollars", "."],
  ["don't (stop) a-b 1990-95", "don't", "(", "stop", ")", "a-b", "1990", "-", "95"],
  ["A&amp;B &lt;x&gt; &quot;q&quot;", "A", "&", "B", "<", "x", ">", '"', "q", '"'],
  ["one hyphen-\nated line\nbreak", "one", "hyphenated", "line", "break"],
  ["$5.00/kg 50%", "$", "5.00", "/", "kg", "50", "%"],
  ["Zoë — naïve…", "Zoë", "—", "naïve…"],
  ["end.Begin 3.x .5", "end", ".", "Begin", "3", ".", "x", ".", "5"],
];
for (const [text, ...expected] of tokenised)
  test(`${JSON.stringify(text)} has the words of mteval-v13a`, (t) => {
    t.deepEqual(words13a(text), expected);
  });

const texts = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 4, maxLength: 12 }).map((all) => all.join(" "));

test("the score is from 0 to 1, 1 for the reference itself, and does not depend on the order of examples", (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(texts, texts), { minLength: 1, maxLength: 6 }), (pairs) => {
      const value = score(pairs);
      t.true(value >= 0 && value <= 1 + 1e-12);
      t.true(near(score(pairs.toReversed()), value));
      t.true(near(score(pairs.map(([text]) => [text, text] as const)), 1));
    }),
  );
});
