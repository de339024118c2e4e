/** Which answers become lines, and which are left out. */

import test from "ava";
import { chooseAnswers } from "../../../lib/eval/answers/chosen-answers.js";
import { KeptAnswers } from "../../../lib/eval/answers/near-duplicates.js";
import type { AskedPrompt } from "../../../lib/eval/data/prompt-shapes.js";
import type { FinishReason, GeneratedAnswer } from "../../../lib/index.js";

const usual = { keepCut: false, keepDuplicates: false, similarity: 0.8 };
const plain: AskedPrompt = { kind: "plain", prompt: "Q:" };

const answer = (text: string, reason: FinishReason = "eos", tokens = 3) =>
  ({ text, tokens: [], decode: { reason, tokens } }) as unknown as GeneratedAnswer;

const recordsOf = (lines: string) =>
  lines
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as object);

test("the answers that stay are lines, and the others are counted", (t) => {
  const answers = [
    answer(" the small red house"),
    answer(" The  small red HOUSE\n"),
    answer(" something else", "length"),
    answer(" something else", "context"),
    answer(" another thing", "stop"),
    answer("", "eos", 0),
    answer(" \n"),
    answer("half \uFFFD of it"),
  ];
  const { lines, counts } = chooseAnswers(plain, answers, usual);
  t.deepEqual(recordsOf(lines), [
    { prompt: "Q:", response: " the small red house" },
    { prompt: "Q:", response: " another thing" },
  ]);
  t.deepEqual(counts, { answers: 8, kept: 2, cutOff: 2, duplicates: 1, failed: 3, tokens: 21 });
});

test("what was cut off is kept as a text without an end, and a chat's as a message", (t) => {
  const cut = [answer(" a b\uFFFD", "length")];
  const keep = { ...usual, keepCut: true };
  t.deepEqual(recordsOf(chooseAnswers(plain, cut, keep).lines), [{ text: "Q: a b" }]);
  const messages = [{ role: "user", content: "Q" }];
  t.deepEqual(recordsOf(chooseAnswers({ kind: "chat", messages }, cut, keep).lines), [
    { messages: [...messages, { role: "assistant", content: " a b" }] },
  ]);
});

test("a continuation is not cut off, as it comes to no end", (t) => {
  const asked: AskedPrompt = { kind: "continuation", prompt: "Once" };
  const { lines, counts } = chooseAnswers(asked, [answer(" upon a time", "length"), answer(" more", "eos")], usual);
  t.deepEqual(recordsOf(lines), [{ text: "Once upon a time" }, { prompt: "Once", response: " more" }]);
  t.like(counts, { kept: 2, cutOff: 0 });
});

test("duplicates stay where they are wanted", (t) => {
  const { counts } = chooseAnswers(plain, [answer("a"), answer("a")], { ...usual, keepDuplicates: true });
  t.like(counts, { kept: 2, duplicates: 0 });
});

test("answers are compared with those that were kept, by the pieces that they have in common", (t) => {
  const kept = new KeptAnswers(0.5);
  t.true(kept.addIfNew("the cat sat on the mat"));
  t.false(kept.addIfNew("the cat sat on the rug"));
  t.true(kept.addIfNew("a dog lay under the table"));
  t.true(kept.addIfNew("猫"));
  t.false(kept.addIfNew("猫 "));
  t.true(kept.addIfNew("犬"));
  const exact = new KeptAnswers(1);
  t.true(exact.addIfNew("the cat sat on the mat"));
  t.true(exact.addIfNew("the cat sat on the man"));
  t.false(exact.addIfNew("The cat sat on the mat "));
});
