/** Records as tokens, with a vocabulary whose tokens are easy to read: a character each, and a few longer ones. */

import test from "ava";
import type { ChoicesRecord } from "../../lib/eval/data/records.js";
import { ExampleEncoder, UnusableRecord } from "../../lib/eval/examples.js";
import { FileError, type Pair } from "../../lib/index.js";

const bos = 1;
const eos = 2;

/** Longer pieces first: `: ` is a token that spans the border of a question and a choice. */
const pieces = ["Yes", "No", ": ", "<|x|>"];

function tokenize(text: string): number[] {
  const tokens: number[] = [];
  for (let rest = text; rest !== ""; ) {
    const piece = pieces.findIndex((candidate) => rest.startsWith(candidate));
    tokens.push(piece < 0 ? rest.charCodeAt(0) : 1000 + piece);
    rest = rest.slice(piece < 0 ? 1 : (pieces[piece]?.length ?? 1));
  }
  return tokens;
}

const vocabulary = (beginning: readonly number[]): Pick<Pair, "encodeAsync" | "tokenizeAsync"> => ({
  tokenizeAsync: async (text, options) => [...(options?.addSpecial ? beginning : []), ...tokenize(text)],
  encodeAsync: async (given) => {
    if ("text" in given) return { prompt: [...beginning], response: tokenize(given.text) };
    if ("messages" in given) throw new FileError("ERR_DATA_INVALID", "the template refuses it");
    return { prompt: [...beginning, ...tokenize(given.prompt)], response: [...tokenize(given.response), eos] };
  },
});

const encoderOf = (contextSize = 100, beginning: readonly number[] = [bos], windowSize = 8) =>
  new ExampleEncoder(vocabulary(beginning), { contextSize, windowSize });

const choices = (context: string, ...continuations: string[]): ChoicesRecord => ({
  kind: "choices",
  context,
  continuations,
  lengths: continuations.map((text) => text.length - 1),
  right: [0],
});

test("a response is what training makes of it", async (t) => {
  const record = { kind: "response", prompt: "ab", response: "c" } as const;
  t.deepEqual(await encoderOf().toResponses(7, record), [{ line: 7, prompt: [bos, 97, 98], response: [99, eos] }]);
  const answer = { kind: "answer", prompt: "ab", references: ["c", "d"] } as const;
  t.deepEqual(await encoderOf().toResponses(7, answer), [{ line: 7, prompt: [bos, 97, 98], response: [99, eos] }]);
});

test("a text comes in windows that begin with BOS", async (t) => {
  const examples = await encoderOf(100, [bos], 4).toResponses(2, { kind: "text", text: "abcdefgh" });
  t.deepEqual(examples, [
    { line: 2, prompt: [bos, 97, 98], response: [99] },
    { line: 2, prompt: [bos, 101, 102], response: [103] },
  ]);
  const without = await encoderOf(100, [], 4).toResponses(2, { kind: "text", text: "abcd" });
  t.deepEqual(without, [{ line: 2, prompt: [97, 98, 99], response: [100] }]);
});

test("a question is what is read before an answer", async (t) => {
  const encoder = encoderOf();
  t.deepEqual(await encoder.toAnswer(3, { kind: "answer", prompt: "a<|x|>", references: ["x", "y"] }), {
    ...{ line: 3, prompt: [bos, 97, 1003], references: ["x", "y"] },
  });
  t.deepEqual((await encoder.toAnswer(3, { kind: "response", prompt: "a", response: " b" })).references, [" b"]);
});

test("choices go on from one prompt", async (t) => {
  t.deepEqual(await encoderOf().toChoices(4, choices("q", " Yes", " No")), {
    line: 4,
    prompt: [bos, 113],
    continuations: [
      [32, 1000],
      [32, 1001],
    ],
    ...{ lengths: [3, 2], right: [0] },
  });
});

test("a token that spans the border counts for every choice, and space at the context's end goes with them", async (t) => {
  // "q:" and " Yes" make "q", ": ", "Yes".
  const { prompt, continuations } = await encoderOf().toChoices(4, choices("q:", " Yes", " No"));
  t.deepEqual(prompt, [bos, 113]);
  t.deepEqual(continuations, [
    [1002, 1000],
    [1002, 1001],
  ]);
  const spaced = await encoderOf().toChoices(4, choices("q  ", "Yes", "No"));
  t.deepEqual(spaced.prompt, [bos, 113]);
  t.deepEqual(spaced.continuations[0], [32, 32, 1000]);
});

const unusable: readonly (readonly [title: string, message: RegExp, encode: () => Promise<unknown>])[] = [
  [
    "a response that is longer than the context",
    /^7 tokens, more than the 6 of the context$/,
    () => encoderOf(6).toResponses(1, { kind: "response", prompt: "ab", response: "def" }),
  ],
  [
    "a prompt that leaves no place for an answer",
    /^5 tokens, more than the 4 of the context$/,
    () => encoderOf(4).toAnswer(1, { kind: "answer", prompt: "abc", references: ["d"] }),
  ],
  [
    "a choice that is longer than the context",
    /^6 tokens, more than the 5 of the context$/,
    () => encoderOf(5).toChoices(1, choices("q", " a", " abc")),
  ],
  ["a chat that the template refuses", /refuses/, () => encoderOf().toResponses(1, { kind: "chat", messages: [] })],
  [
    "a response to nothing at all",
    /no token before the response/,
    () => encoderOf(9, []).toResponses(1, { kind: "response", prompt: "", response: "a" }),
  ],
  [
    "choices after nothing at all",
    /no token before the choices/,
    () => encoderOf(9, []).toChoices(1, choices("", " a", " b")),
  ],
  ["a choice that adds no token", /no token of its own/, () => encoderOf().toChoices(1, choices("q", "", " b"))],
  ["a text of two tokens", /fewer than 3 tokens/, () => encoderOf().toResponses(1, { kind: "text", text: "a" })],
  ["a text to be answered", /no answer/, () => encoderOf().toAnswer(1, { kind: "text", text: "abc" })],
  ["choices to be predicted", /no response/, () => encoderOf().toResponses(1, choices("q", " a", " b"))],
];
for (const [title, message, encode] of unusable)
  test(`${title} makes no example`, async (t) => {
    await t.throwsAsync(encode, { instanceOf: UnusableRecord, message });
  });
