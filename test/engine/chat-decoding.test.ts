/**
 * What chats ask of an answer: grammars that sleep until a trigger comes, control tokens that are shown, reasoning that
 * ends.
 */

import test, { type ExecutionContext } from "ava";
import { type ChatDecodeOptions, decodeChat } from "../../lib/engine/session.js";
import type { DecodeOptions, Pair } from "../../lib/index.js";
import { type Answer, greedy, openPair, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const prompt = someTokens(30);

/** An answer in parts of so many tokens each, as one. */
async function chatAnswer(pair: Pair, options: DecodeOptions, chat: ChatDecodeOptions, parts: readonly number[]) {
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const read: Answer[] = [];
  for (const maxTokens of parts) read.push(await readAnswer(decodeChat(session, { ...options, maxTokens }, chat)));
  return {
    text: read.map(({ text }) => text).join(""),
    tokens: read.flatMap(({ tokens }) => tokens),
    result: read.at(-1)?.result,
  };
}

/** A pair, what it writes freely, and the place of a token that comes there for the first time. */
async function free(t: ExecutionContext) {
  const pair = await openPair(t, { maxSessions: 2 });
  const { tokens } = await chatAnswer(pair, traced(12), {}, [12]);
  const at = tokens.findIndex((token, i) => i >= 3 && !tokens.slice(0, i).includes(token));
  t.true(at > 0 && at < 8);
  return { pair, tokens, at, trigger: tokens[at] ?? 0 };
}

test("a lazy grammar leaves the answer as it is up to its trigger, and what follows is the grammar's", async (t) => {
  const { pair, tokens, at, trigger } = await free(t);
  const grammar = `root ::= <[${trigger}]> [0-9]+`;
  const chat = { grammarLazy: true, grammarTriggers: [{ type: "token", value: "", token: trigger }] } as const;
  const whole = await chatAnswer(pair, { ...traced(0), grammar }, chat, [12]);
  t.deepEqual(whole.tokens.slice(0, at + 1), tokens.slice(0, at + 1));
  t.regex(pair.detokenize(whole.tokens.slice(at + 1)), new RegExp(`^[0-9]{${11 - at}}$`));
  for (let cut = 1; cut < 12; cut++) {
    const parts = await chatAnswer(pair, { ...traced(0), grammar }, chat, [cut, 12 - cut]);
    t.deepEqual(parts.tokens, whole.tokens, `cut after ${cut} tokens`);
  }
  // Without its trigger it sleeps to the end.
  const other = { grammarLazy: true, grammarTriggers: [{ type: "word", value: "never written" }] } as const;
  t.deepEqual((await chatAnswer(pair, { ...traced(0), grammar }, other, [12])).tokens, tokens);
});

test("another trigger begins anew where an answer goes on", async (t) => {
  const { pair, tokens, at, trigger } = await free(t);
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const options = { ...traced(0), grammar: `root ::= <[${trigger}]> [0-9]+` };
  const sleeping = { grammarLazy: true, grammarTriggers: [{ type: "word", value: "never written" }] } as const;
  await readAnswer(decodeChat(session, { ...options, maxTokens: at + 1 }, sleeping));
  const woken = { grammarLazy: true, grammarTriggers: [{ type: "token", value: "", token: trigger }] } as const;
  const on = await readAnswer(decodeChat(session, { ...options, maxTokens: 1 }, woken));
  t.deepEqual(on.tokens, tokens.slice(at + 1, at + 2));
});

test("triggers that cannot be looked for are refused", async (t) => {
  const pair = await openPair(t);
  const options = { ...traced(1), grammar: 'root ::= "a"' };
  const attempt = (grammarTriggers: ChatDecodeOptions["grammarTriggers"]) =>
    chatAnswer(pair, options, { grammarLazy: true, ...(grammarTriggers && { grammarTriggers }) }, [1]);
  await refusal(t, "ERR_GRAMMAR_INVALID", attempt([{ type: "pattern", value: "(" }]));
  await refusal(t, "ERR_GRAMMAR_INVALID", attempt([]));
  await refusal(t, "ERR_GRAMMAR_INVALID", attempt(undefined));
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt([{ type: "token", value: "", token: 1_000_000 }]));
});

test("a preserved control token is part of the text, and so is one that ends the answer", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  const size = pair.info.prefill.vocabularySize;
  const [bos, eos] = [size - 2, size - 1];
  const [bosText, eosText] = [bos, eos].map((token) => pair.detokenize([token], { special: true })) as [string, string];
  t.deepEqual([bosText, eosText], ["<|begin_of_text|>", "<|end_of_text|>"]);
  const grammar = `root ::= "a" <[${bos}]> "b"`;
  const answerOf = (options: DecodeOptions, preservedTokens: string[], token?: number) =>
    chatAnswer(
      pair,
      { temperature: 0, grammar, ...options, ...(token !== undefined && { logitBias: { [token]: 1e9 } }) },
      { preservedTokens },
      [8],
    );
  t.is((await answerOf({}, [])).text, "ab");
  t.is((await answerOf({}, [bosText])).text, `a${bosText}b`);
  t.is((await answerOf({ stop: `${bosText}b` }, [bosText])).text, "a");

  const free = { grammar: undefined };
  const ended = await answerOf(free, [eosText], eos);
  t.deepEqual([ended.text, ended.tokens, ended.result?.reason], [eosText, [], "eos"]);
  const stopped = await answerOf({ ...free, stop: eosText }, [eosText], eos);
  t.deepEqual([stopped.text, stopped.tokens, stopped.result?.reason], ["", [], "stop"]);
});

test("reasoning ends where its budget is spent, in an answer of one part or of two, and the answer goes on", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  // Within a character no budget ends: every token is to be one.
  const forbidden = Array.from({ length: pair.info.prefill.vocabularySize }, (_, token) => token).filter(
    (token) => !/^[ -~]+$/.test(pair.detokenize([token])),
  );
  const logitBias = new Map(forbidden.map((token) => [token, Number.NEGATIVE_INFINITY]));
  const options = { ...greedy, logitBias };
  const { tokens } = await chatAnswer(pair, options, {}, [12]);
  const budget = { startTags: ["<think>"], endTags: ["</think>"], inside: true };
  const end = pair.tokenize("</think>");
  for (const n of [0, 3]) {
    const chat = { reasoningBudget: { ...budget, tokens: n } };
    const whole = await chatAnswer(pair, options, chat, [n + end.length + 4]);
    t.is(whole.tokens.length, n + end.length + 4);
    t.deepEqual(whole.tokens.slice(0, n + end.length), [...tokens.slice(0, n), ...end]);
    for (let cut = 1; cut < n + end.length; cut++) {
      const parts = await chatAnswer(pair, options, chat, [cut, whole.tokens.length - cut]);
      t.deepEqual(parts.tokens, whole.tokens, `cut after ${cut} tokens`);
    }
    const sampled = await chatAnswer(pair, { temperature: 1, seed: 7, logitBias }, chat, [20]);
    t.deepEqual(sampled.tokens.slice(n, n + end.length), end);
  }
  const unlimited = { reasoningBudget: { ...budget, tokens: -1 } };
  t.deepEqual((await chatAnswer(pair, options, unlimited, [12])).tokens, tokens);
  const endless = { reasoningBudget: { ...budget, tokens: 1, endTags: [] } };
  await refusal(t, "ERR_INVALID_ARGUMENT", chatAnswer(pair, options, endless, [1]));
});
