/** Texts that llama.cpp's own way of splitting overflows a stack with, and texts that take long to tokenise. */

import test from "ava";
import { text } from "../support/gguf-format.js";
import { openPair, refusal } from "./fixtures.js";

const withPre = (pre: string) => ({ prefill: { metadata: { "tokenizer.ggml.pre": text(pre) } } });

/** Of bytes without a merge, so that every one is a token. */
const blob = (length: number) => "QUJD+/".repeat(length / 6);

for (const pre of ["tekken", "gpt-4o", "falcon", "bloom"])
  test(`${pre}: a run of 60,000 characters without a break becomes tokens`, async (t) => {
    const pair = await openPair(t, withPre(pre));
    for (const run of ["A", "字", ".", " ", "\n"]) {
      const long = run.repeat(60_000);
      const tokens = await pair.tokenizeAsync(long);
      t.is(await pair.detokenizeAsync(tokens), long, JSON.stringify(run));
    }
    const session = await pair.createSession();
    await refusal(t, "ERR_CONTEXT_OVERFLOW", () => session.prefill("A".repeat(60_000)));
  });

test("a text that is read in pieces has the tokens of its words", async (t) => {
  const pair = await openPair(t, withPre("tekken"));
  const words = "the cat sat on the mat\nand the thing was there\n";
  const one = pair.tokenize(words);
  const many = await pair.tokenizeAsync(words.repeat(8000), { addSpecial: true });
  t.deepEqual(many.slice(1, 1 + one.length), one);
  t.is(many.length, 1 + 8000 * one.length);
  t.true(many.slice(1).every((token, i) => token === one[i % one.length]));
});

test("a text that is read in pieces keeps control tokens whole", async (t) => {
  const pair = await openPair(t, withPre("tekken"));
  const marked = "<|end_of_text|>".repeat(20_000);
  const tokens = await pair.tokenizeAsync(marked, { parseSpecial: true });
  t.is(tokens.length, 20_000);
  t.is(new Set(tokens).size, 1);
});

test("a long text does not hold up the event loop", async (t) => {
  const pair = await openPair(t, withPre("tekken"));
  let settled = false;
  const tokens = pair.tokenizeAsync("the cat sat ".repeat(40_000)).finally(() => {
    settled = true;
  });
  let turns = 0;
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  t.true((await tokens).length > 40_000);
  // Done on this thread, it would have settled before the first turn.
  t.true(turns > 1);
});

test("what does not return a promise refuses what would take long", async (t) => {
  const pair = await openPair(t);
  const long = "a".repeat(16_385);
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.tokenize(long));
  t.regex(error.message, /tokenizeAsync/);
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.encode({ text: long }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.detokenize(new Int32Array(65_537)));
  t.is(pair.tokenize(long.slice(1)).length, 16_384);
  t.is((await pair.tokenizeAsync(long)).length, 16_385);
});

test("the calls with and without a promise say the same", async (t) => {
  const pair = await openPair(t);
  const [words, record] = ["the cat <|end_of_text|>", { prompt: "the ", response: "cat" }];
  for (const options of [{}, { addSpecial: true }, { parseSpecial: true, addSpecial: true }])
    t.deepEqual(await pair.tokenizeAsync(words, options), pair.tokenize(words, options));
  t.deepEqual(await pair.encodeAsync(record), pair.encode(record));
  t.deepEqual(await pair.encodeAsync(record, { closeResponse: false }), pair.encode(record, { closeResponse: false }));
  const tokens = pair.tokenize(words, { parseSpecial: true });
  t.is(await pair.detokenizeAsync(tokens, { special: true }), words);
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.detokenizeAsync([1_000_000]));
  await refusal(t, "ERR_DATA_INVALID", () => pair.encodeAsync({ prompt: "a", response: "" }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.tokenizeAsync("a", { parseSpecials: true } as never));
});

test("dispose ends texts that wait, and is safe beside one that runs", async (t) => {
  const pair = await openPair(t, withPre("tekken"));
  const waiting = Array.from({ length: 8 }, () => pair.tokenizeAsync(blob(120_000)));
  const [ends] = await Promise.all([Promise.allSettled(waiting), pair.dispose()]);
  const refused = ends.filter((end) => end.status === "rejected");
  t.true(refused.length > 0);
  for (const { reason } of refused) t.is(reason.code, "ERR_DISPOSED");
  await refusal(t, "ERR_DISPOSED", () => pair.tokenizeAsync("a"));
});
