/** GBNF grammars. */

import test from "ava";
import {
  answer,
  answerAlone,
  greedy,
  openPair,
  openSession,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const prompt = someTokens(30);

test("a grammar restricts the answer to what it allows", async (t) => {
  const pair = await openPair(t);
  for (const options of [greedy, { temperature: 1.5, topK: 0, seed: 5 }]) {
    const digits = await answerAlone(pair, prompt, {
      ...options,
      grammar: "root ::= [0-9]+",
      maxTokens: 24,
      ignoreEos: true,
    });
    t.regex(digits.text, /^[0-9]{24}$/);
    const json = await answerAlone(pair, prompt, { ...options, grammar: 'root ::= "{" [a-z]{3} "}"' });
    t.regex(json.text, /^\{[a-z]{3}\}$/);
    t.is(json.result.reason, "eos");
  }
});

test("an answer ends where its grammar ends", async (t) => {
  const { text, result } = await answer(await openSession(t), prompt, { ...greedy, grammar: 'root ::= "yes" | "no"' });
  t.true(text === "yes" || text === "no", text);
  t.is(result.reason, "eos");
});

test("log-probabilities with a grammar are those of the raw logits", async (t) => {
  const pair = await openPair(t);
  const free = await answerAlone(pair, prompt, traced(1));
  const bound = await answerAlone(pair, prompt, { ...traced(1), grammar: "root ::= [0-9]+" });
  t.deepEqual(bound.logProbs[0]?.top, free.logProbs[0]?.top);
});

const invalid: readonly (readonly [title: string, grammar: string])[] = [
  ["no rules", "this is no grammar"],
  ["an open bracket", "root ::= [0-9"],
  ["an open string", 'root ::= "abc'],
  ["a rule that does not exist", "root ::= nothing"],
  ["no root rule", 'main ::= "a"'],
  ["left recursion", 'root ::= root "a"'],
];

for (const [title, grammar] of invalid) {
  test(`a grammar with ${title} is refused, and the session goes on as if it had not been asked`, async (t) => {
    const pair = await openPair(t, { maxSessions: 2 });
    const session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const error = await refusal(t, "ERR_GRAMMAR_INVALID", readAnswer(session.decode({ ...greedy, grammar })));
    t.is(error.details.parameter, "grammar");
    for (const place of ["position", "line", "column"] as const) t.is(typeof error.details[place], "number", place);
    t.is(session.stats().stage, "switched");
    const { logProbs } = await readAnswer(session.decode(traced(8)));
    t.deepEqual(logProbs, (await answerAlone(pair, prompt, traced(8))).logProbs);
  });
}

test("a complete grammar ends the answer where the end token is forbidden, and the session can be used again", async (t) => {
  const session = await openSession(t);
  for (const options of [greedy, { temperature: 1, seed: 1 }]) {
    const { text, result } = await answer(session, prompt, { ...options, grammar: 'root ::= "ab"', ignoreEos: true });
    t.is(text, "ab");
    t.is(result.reason, "eos");
    t.is((await answer(session, prompt, traced(4))).tokens.length, 4);
  }
});

test("an answer that was cut short goes on with its grammar and its random numbers", async (t) => {
  const pair = await openPair(t, { maxSessions: 2 });
  for (const grammar of ['root ::= "{" [a-z]{20,30} "}"', undefined]) {
    const options = { temperature: 1.5, seed: 7, topK: 0, ignoreEos: true, ...(grammar && { grammar }) };
    const whole = await answerAlone(pair, prompt, { ...options, maxTokens: 18 });
    const session = await pair.createSession();
    const first = await answer(session, prompt, { ...options, maxTokens: 5 });
    const { seed: _seed, ...unseeded } = options;
    const second = await readAnswer(session.decode({ ...unseeded, maxTokens: 13 }));
    t.deepEqual([...first.tokens, ...second.tokens], [...whole.tokens]);
    t.is(second.result.seed, 7);
    await session.dispose();
  }
});

test("each answer begins its grammar anew", async (t) => {
  const session = await openSession(t);
  const options = { ...greedy, grammar: 'root ::= "abc"' };
  t.is((await answer(session, prompt, options)).text, "abc");
  t.is((await answer(session, prompt, options)).text, "abc");
});
