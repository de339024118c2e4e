/** Exact match, F1 and ROUGE-L against cases worked by hand and against published ones. */

import test from "ava";
import fc from "fast-check";
import { answerWords } from "../../../lib/eval/metrics/answer-words.js";
import { exactMatch, strictMatch } from "../../../lib/eval/metrics/exact-match.js";
import { rougeL, rougeLOfWords } from "../../../lib/eval/metrics/rouge-l.js";
import { tokenF1 } from "../../../lib/eval/metrics/token-f1.js";

test("SQuAD's normalisation drops case, punctuation, articles and extra space", (t) => {
  t.deepEqual(answerWords("  The Cat's  hat,\nan (old) A-frame. "), ["cats", "hat", "old", "aframe"]);
  // Articles are words: neither parts of others nor, as in Python, beside letters of other scripts.
  t.deepEqual(answerWords("there athe théa the äthe"), ["there", "athe", "théa", "äthe"]);
  t.deepEqual(answerWords("Straße — the “Brücke”"), ["straße", "—", "“brücke”"]);
  t.deepEqual(answerWords("The. A!"), []);
});

test("an exact match is one in SQuAD's normalisation with any of the references", (t) => {
  t.is(exactMatch("the Eiffel Tower.", ["Louvre", "Eiffel tower"]), 1);
  t.is(exactMatch("Eiffel towers", ["Eiffel tower"]), 0);
  t.is(exactMatch("", ["the"]), 1);
});

test("a strict match takes everything but the white space around it", (t) => {
  t.is(strictMatch(" 42\n", ["42"]), 1);
  t.is(strictMatch("42.", ["42"]), 0);
  t.is(strictMatch("Paris", ["paris", "Paris"]), 1);
});

test("F1 is that of the words in common, each as often as it occurs", (t) => {
  // Two words of three in common with two: P = 2/3, R = 1.
  t.is(tokenF1("big red ball", ["red ball"]), 0.8);
  // "very" counts twice, not three times: P = 2/3, R = 2/2.
  t.is(tokenF1("very very very", ["very very"]), 0.8);
  t.is(tokenF1("blue", ["red"]), 0);
  t.is(tokenF1("red box", ["green tent", "red ball", "a red box!"]), 1);
  t.is(tokenF1("the", ["a"]), 1);
  t.is(tokenF1("the", ["a cat"]), 0);
});

const s1 = "police killed the gunman";

test("ROUGE-L of Lin's example tells word order, and what is not in it", (t) => {
  // Lin 2004, section 3.1: LCS "police the gunman" and "the gunman".
  t.is(rougeL("police kill the gunman", [s1]), 3 / 4);
  t.is(rougeL("the gunman kill police", [s1]), 2 / 4);
  // S4 "the gunman police killed": LCS is "the gunman" or "police killed", as long as that of S3.
  t.is(rougeL("the gunman police killed", [s1]), 2 / 4);
});

test("ROUGE-L of Lin's union example, a sentence at a time", (t) => {
  const reference = ["w1", "w2", "w3", "w4", "w5"];
  // LCS w1 w2 of five and five; LCS w1 w3 w5 of five and five.
  t.is(rougeLOfWords(["w1", "w2", "w6", "w7", "w8"], reference), 2 / 5);
  t.is(rougeLOfWords(["w1", "w3", "w8", "w9", "w5"], reference), 3 / 5);
});

test("ROUGE-L has its F with equal weights, ignores case and punctuation, and takes the best reference", (t) => {
  // LCS 2 of 2 and 4: P = 1, R = 1/2.
  t.is(rougeL("Police, GUNMAN!", [s1]), 2 / 3);
  t.is(rougeL("red ball", ["blue box", "a red ball"]), 0.8);
  t.is(rougeL("", ["a"]), 0);
  t.is(rougeL("a", ["..."]), 0);
});

/** Slow, by definition: every subsequence of the shorter one. */
function lcsByTrial(a: readonly string[], b: readonly string[]): number {
  let most = 0;
  for (let mask = 0; mask < 2 ** a.length; mask++) {
    const part = a.filter((_, i) => (mask >> i) & 1);
    let place = 0;
    for (const word of b) if (word === part[place]) place++;
    if (place === part.length) most = Math.max(most, part.length);
  }
  return most;
}

const fewWords = fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1, maxLength: 8 });

test("ROUGE-L's subsequence is the longest there is", (t) => {
  fc.assert(
    fc.property(fewWords, fewWords, (a, b) => {
      t.is(rougeLOfWords(a, b), (2 * lcsByTrial(a, b)) / (a.length + b.length));
    }),
  );
});

const someText = fc
  .array(fc.constantFrom("red", "Ball", "the", "box,", "tent.", "é", "42"), { maxLength: 12 })
  .map((words) => words.join(" "));

for (const [name, score] of Object.entries({ exactMatch, strictMatch, tokenF1, rougeL })) {
  test(`${name} is symmetric, from 0 to 1, and never worse with a reference more`, (t) => {
    fc.assert(
      fc.property(someText, someText, someText, (a, b, c) => {
        const one = score(a, [b]);
        t.is(score(b, [a]), one);
        t.true(one >= 0 && one <= 1);
        t.true(score(a, [b, c]) >= one);
        t.is(score(a, [b, c]), score(a, [c, b]));
      }),
    );
  });

  test(`${name} of a text with itself is 1`, (t) => {
    fc.assert(fc.property(someText, (words) => t.is(score(`red ${words}`, [`red ${words}`]), 1)));
  });
}
