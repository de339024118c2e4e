/** The text of an answer: whole characters, whatever the tokens are. */

import test from "ava";
import fc from "fast-check";
import { bool, i32Array } from "../support/gguf-format.js";
import { builtInTokenizer, type TokenizerKind, tokenTypes } from "../support/tokenizers.js";
import { answer, greedy, openPair, openSession, readAnswer, refusal } from "./fixtures.js";

const prompts = [
  "The cat sat on the mat.",
  "👩‍🚀 flew to 🌍 in a 🚀 🇮🇸",
  "مرحبا بالعالم",
  "שלום עולם, hello \u202eworld\u202c",
  "e\u0301 é ﬁ Ａ ①",
  "tabs\tand\r\nnewlines\n\n  and spaces  ",
  "𝄞 and \u{10ffff}",
];

for (const tokenizer of ["bpe", "spm"] satisfies TokenizerKind[]) {
  test(`${tokenizer}: any prompt becomes tokens and comes back`, async (t) => {
    const pair = await openPair(t, { prefill: { tokenizer } });
    const roundTrip = (text: string) => pair.detokenize(pair.tokenize(text));
    // SentencePiece puts a space before a text and llama.cpp takes it away again.
    for (const prompt of prompts) t.is(roundTrip(prompt), prompt);
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !/[<▁]/.test(text)),
        (text) => {
          return roundTrip(text).trim() === text.trim();
        },
      ),
    );
  });

  test(`${tokenizer}: the chunks of an answer join to the text of its tokens`, async (t) => {
    const pair = await openPair(t, { prefill: { tokenizer }, maxSessions: 8 });
    for (const [seed, prompt] of prompts.entries()) {
      const options = { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed, maxTokens: 120, ignoreEos: true };
      const { text, tokens, chunks, result } = await answer(await pair.createSession(), prompt, options);
      t.is(tokens.length, 120);
      t.is(result.tokens, 120);
      t.is(result.reason, "length");
      // Random weights write bytes that are no UTF-8; how many replacement characters stand for them is the decoder's
      // affair, the text between them is not. The limit may cut off the end of a last character.
      const known = (string: string) =>
        string
          .replace(/\ufffd+/gu, "\ufffd")
          .replace(/\ufffd$/u, "")
          .trimStart();
      t.is(known(text), known(pair.detokenize(tokens)));
      for (const chunk of chunks) t.true(chunk.tokens.length > 0 || chunk.text !== "");
    }
  });
}

/**
 * llama.cpp's grammars let a character be written in more bytes than it needs. These tokens could begin such a form of one
 * of the letters below, and occur in none of them.
 */
const overlong = [0xc0, 0xc1, 0xe0, ...Array.from({ length: 16 }, (_, i) => 0x80 + i)];

test("a text with emoji and right-to-left letters that is written byte by byte never shows half a character", async (t) => {
  const pair = await openPair(t, { maxSessions: 8 });
  const letters = ["🐱", "🐶", "世", "é", "ש", "ب", "a", " "];
  const grammar = `root ::= (${letters.map((letter) => JSON.stringify(letter)).join(" | ")})+`;
  const logitBias = Object.fromEntries(overlong.map((byte) => [byte, Number.NEGATIVE_INFINITY]));
  for (let seed = 0; seed < 8; seed++) {
    const options = { grammar, logitBias, temperature: 1.5, topK: 0, seed, maxTokens: 100 };
    const { text, tokens, chunks } = await answer(
      await pair.createSession(),
      prompts[seed % prompts.length] ?? "",
      options,
    );
    for (const chunk of chunks) t.regex(chunk.text, /^[🐱🐶世éשبa ]*$/u);
    t.true([...text].some((letter) => letter > "\u00ff"));
    // What the limit cut off is a part of one more character.
    t.is(text, pair.detokenize(tokens).replace(/\ufffd+$/u, ""));
  }
});

test("a character whose bytes are asked for one at a time arrives whole with its last byte", async (t) => {
  const session = await openSession(t);
  const bytes = session.tokenize("🙂");
  t.is(bytes.length, 4);
  await session.prefill("smile");
  await session.switch();
  const texts: string[] = [];
  for (const byte of bytes) {
    const { text, tokens } = await readAnswer(session.decode({ ...greedy, maxTokens: 1, logitBias: { [byte]: 1e6 } }));
    t.deepEqual(tokens, [byte]);
    texts.push(text);
  }
  t.deepEqual(texts, ["", "", "", "🙂"]);
});

test("control tokens are out of the text, or in it with special", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const [bos = 0] = pair.tokenize("", { addSpecial: true });
  t.is(pair.detokenize([bos], { special: true }), "<|begin_of_text|>");
  const forced = { ...greedy, maxTokens: 2, logitBias: { [bos]: 1e6 } };
  t.like(await answer(await pair.createSession(), "x", forced), { text: "", tokens: [bos, bos] });
  t.like(await answer(await pair.createSession(), "x", { ...forced, special: true }), {
    text: "<|begin_of_text|><|begin_of_text|>",
    tokens: [bos, bos],
  });
});

test("a prompt's control tokens are parsed, or kept as text with parseSpecial off", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const text = "<|end_of_text|>";
  t.is(pair.tokenize(text, { parseSpecial: true }).length, 1);
  const [plain, parsed] = [await pair.createSession(), await pair.createSession()];
  // The first prompt of a session begins with BOS.
  t.is((await parsed.prefill(text)).promptTokens, 2);
  t.is((await plain.prefill(text, { parseSpecial: false })).promptTokens, 1 + pair.tokenize(text).length);
});

test("only a session's first text gets a BOS token", async (t) => {
  const session = await openSession(t);
  const { length } = session.tokenize("hello");
  t.is((await session.prefill("hello")).promptTokens, 1 + length);
  t.is((await session.prefill("hello")).promptTokens, length);
});

test("a prompt given as tokens is read as it is", async (t) => {
  const session = await openSession(t);
  t.is((await session.prefill([65, 66, 67])).promptTokens, 3);
  t.is((await session.prefill(Int32Array.of(65))).promptTokens, 1);
  t.is((await session.prefill(Uint32Array.of(65, 66))).promptTokens, 2);
});

test("an end token that the vocabulary puts behind every text is not part of a prompt", async (t) => {
  const metadata = { "tokenizer.ggml.add_eos_token": bool(true) };
  const session = await openSession(t, { prefill: { tokenizer: "spm", metadata } });
  const around = session.tokenize("hello", { addSpecial: true });
  // SentencePiece puts a space before it, too.
  t.is(around.length, 2 + session.tokenize(" hello").length);
  t.is((await session.prefill("hello")).promptTokens, around.length - 1);
});

const spm = { prefill: { tokenizer: "spm" } } as const;

test("a prompt in several parts reads the text of all of them, and so does a later turn", async (t) => {
  const pair = await openPair(t, { ...spm, maxSessions: 2 });
  for (const parts of [
    ["the cat", ", in a house"],
    ["User: the\n", "cat:"],
    ["the", " cat", "s"],
  ]) {
    const [whole, several] = [await pair.createSession(), await pair.createSession()];
    await whole.prefill(parts.join(""));
    for (const part of parts) await several.prefill(part);
    const tokens = parts.flatMap((part, i) => pair.tokenize(part, { addSpecial: i === 0 }));
    t.is(several.stats().contextTokens, tokens.length);
    t.is(pair.detokenize(tokens), parts.join(""));
    // A letter that the vocabulary joins with the next one may be a token more, a space would be another.
    t.true(several.stats().contextTokens - whole.stats().contextTokens <= parts.length - 1);
    await several.switch();
    await several.decode({ ...greedy, maxTokens: 1, ignoreEos: true }).result;
    const before = several.stats().contextTokens;
    await several.prefill("sat");
    t.is(several.stats().contextTokens - before, pair.tokenize("sat").length);
    await whole.dispose();
    await several.dispose();
  }
});

test("text behind a control token begins as in one piece", async (t) => {
  const pair = await openPair(t, { ...spm, maxSessions: 2 });
  const [whole, several] = [await pair.createSession(), await pair.createSession()];
  await whole.prefill("the</s>cat");
  for (const part of ["the", "</s>", "cat"]) await several.prefill(part);
  t.is(several.stats().contextTokens, whole.stats().contextTokens);
});

for (const tokenizer of ["bpe", "spm"] satisfies TokenizerKind[])
  test(`${tokenizer}: a text that begins with BOS itself gets no second one`, async (t) => {
    const pair = await openPair(t, { prefill: { tokenizer }, maxSessions: 3 });
    const [bos = 0] = pair.tokenize("", { addSpecial: true });
    const mark = pair.detokenize([bos], { special: true });
    const both = { addSpecial: true, parseSpecial: true };
    t.deepEqual(pair.tokenize(`${mark}the cat`, both), pair.tokenize("the cat", both));
    const counts: number[] = [];
    for (const prompt of ["the cat", `${mark}the cat`])
      counts.push((await (await pair.createSession()).prefill(prompt)).promptTokens);
    t.is(counts[0], counts[1]);
    t.deepEqual(
      pair.encode({ prompt: `${mark}the`, response: " cat" }),
      pair.encode({ prompt: "the", response: " cat" }),
    );
    // As text, or written twice, it is what was asked for.
    t.true(pair.tokenize(`${mark}the`, { addSpecial: true }).length > 3);
    t.deepEqual(pair.tokenize(`${mark}${mark}`, both), [bos, bos]);
  });

test("a zero byte is a character like any other", async (t) => {
  const pair = await openPair(t);
  t.is(pair.detokenize(pair.tokenize("the\0cat")), "the\0cat");
  const { promptTokens } = await (await pair.createSession()).prefill("the\0cat");
  t.is(promptTokens, 1 + pair.tokenize("the\0cat").length);
});

/** A SentencePiece vocabulary without byte tokens. */
function withoutBytes(hasUnknown: boolean) {
  const types = builtInTokenizer("spm").types.map((type) =>
    type === tokenTypes.byte || (type === tokenTypes.unknown && !hasUnknown) ? tokenTypes.normal : type,
  );
  return {
    tokenizer: "spm",
    vocabEdit: (tokens: string[]) => tokens.map((token, i) => (/^<0x/.test(token) ? `<spare${i}>` : token)),
    metadata: { "tokenizer.ggml.token_type": i32Array(types) },
  } as const;
}

test("a character that the vocabulary lacks is its unknown token", async (t) => {
  const pair = await openPair(t, { prefill: withoutBytes(true) });
  const [unknown = -1] = pair.tokenize("é");
  t.deepEqual(pair.tokenize("the é ü cat"), [
    ...[...pair.tokenize("the "), unknown, ...pair.tokenize(" ")],
    ...[unknown, ...pair.tokenize(" cat")],
  ]);
  t.is((await (await pair.createSession()).prefill("éü")).promptTokens, 2);
  const error = await refusal(t, "ERR_DATA_INVALID", () => pair.encode({ prompt: "the é", response: " cat" }));
  t.regex(error.message, /é/);
});

test("a character that the vocabulary lacks is refused where there is no unknown token", async (t) => {
  const pair = await openPair(t, { prefill: withoutBytes(false) });
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.tokenize("the é"));
  t.like(error.details, { parameter: "text", actual: "é" });
  const session = await pair.createSession();
  const ofPrompt = await refusal(t, "ERR_INVALID_ARGUMENT", () => session.prefill("the é"));
  t.like(ofPrompt.details, { parameter: "prompt", actual: "é" });
  t.is((await session.prefill("the cat")).contextTokens, 1 + pair.tokenize(" the cat").length);
});
