/** Sessions whose end is taken away: what stays is not read again, and they go on like one that never had more. */

import test, { type ExecutionContext } from "ava";
import type { DecodeOptions, Pair, Session } from "../../lib/index.js";
import {
  type Answer,
  answer,
  answerAlone,
  kindsOfPairs,
  narrower,
  openPair,
  openSession,
  type PairRecipe,
  readAnswer,
  refusal,
  someTokens,
  traced,
} from "./fixtures.js";

const prompt = someTokens(60);
const more = someTokens(9, 7);

/** Micro-batches of one token, so that it makes no difference where a reading began. */
const open = (t: ExecutionContext, recipe: PairRecipe = {}): Promise<Pair> =>
  openPair(t, { decode: narrower, ...recipe, batchSize: 1, maxSessions: 2 });

const isCut = (title: string) => title !== "mamba" && title !== "lfm2";

/** The answer from its n-th token on. */
const from = ({ logProbs }: Answer, n: number) => logProbs.slice(n);

for (const [title, recipe] of kindsOfPairs) {
  test(`a session truncated in its prompt goes on like a new one with the same tokens (${title})`, async (t) => {
    const pair = await open(t, { decode: undefined, ...recipe });
    for (const nTokens of [1, 35, 59]) {
      await using session = await pair.createSession();
      await answer(session, prompt, traced(20));
      const before = session.stats();
      await session.truncate(nTokens);
      const { stage, contextTokens, ...totals } = session.stats();
      t.like({ stage, contextTokens }, { stage: "interrupted", contextTokens: nTokens });
      t.like(before, totals);
      await refusal(t, "ERR_STAGE_ORDER", session.switch());
      await refusal(t, "ERR_STAGE_ORDER", readAnswer(session.decode()));

      const read = await session.prefill(more);
      t.like(read, { promptTokens: more.length, refreshedTokens: 0, contextTokens: nTokens + more.length });
      const { prefillTokens, restoredTokens } = session.stats();
      t.is(prefillTokens, before.prefillTokens + more.length);
      // What cannot be cut goes back to its mark, at the switch, or else to nothing.
      t.is(restoredTokens, isCut(title) ? 0 : nTokens);
      await session.switch();
      const found = await readAnswer(session.decode(traced(10)));
      const expected = await answerAlone(pair, [...prompt.slice(0, nTokens), ...more], traced(10));
      t.deepEqual(found.logProbs, expected.logProbs);
    }
  });

  test(`an answer truncated anywhere is written on as it was (${title})`, async (t) => {
    const pair = await open(t, { decode: undefined, ...recipe });
    const whole = await answerAlone(pair, prompt, traced(20));
    await using session = await pair.createSession();
    await answer(session, prompt, traced(20));
    const { prefillTokens, decodeTokens } = session.stats();
    for (const left of [19, 7, 1, 0]) {
      await session.truncate(60 + left);
      t.like(session.stats(), { stage: left === 0 ? "switched" : "paused", contextTokens: 60 + left });
      const rest = await readAnswer(session.decode(traced(20 - left)));
      t.deepEqual(rest.logProbs, from(whole, left));
      // The last token is read for the logits of the next; those of the first are kept.
      t.is(rest.result.decodeSteps, 20 - left - (left === 0 ? 1 : 0));
    }
    t.like(session.stats(), { prefillTokens, decodeTokens: decodeTokens + 1 + 13 + 19 + 20 });
  });

  test(`a turn after a truncated answer reads again what the decode model wrote, and no more (${title})`, async (t) => {
    const pair = await open(t, { decode: undefined, ...recipe });
    await using session = await pair.createSession();
    const { tokens } = await answer(session, prompt, traced(20));
    await session.truncate(67);
    t.like(await session.prefill(more), { promptTokens: 9, refreshedTokens: 7, contextTokens: 76 });
    await session.switch();
    const found = await readAnswer(session.decode(traced(10)));
    const expected = await answerAlone(pair, [...prompt, ...tokens.slice(0, 7), ...more], traced(10));
    t.deepEqual(found.logProbs, expected.logProbs);
    t.is(session.stats().restoredTokens, 0);
  });
}

test("truncating to what a session has changes nothing, at any stage", async (t) => {
  const session = await openSession(t, { decode: narrower });
  const same = async (nTokens: number) => {
    const before = session.stats();
    await session.truncate(nTokens);
    t.deepEqual(session.stats(), before);
  };
  await same(0);
  await session.prefill(prompt);
  await same(60);
  await session.switch();
  await same(60);
  t.is((await readAnswer(session.decode(traced(5)))).tokens.length, 5);
  await same(65);
  const { tokens } = await readAnswer(session.decode({ maxTokens: 40, temperature: 1, seed: 1, stop: "e" }));
  t.is(session.stats().stage, "ended");
  await same(65 + tokens.length);
  t.is((await session.prefill(more)).refreshedTokens, 5 + tokens.length);
});

test("a session truncated to nothing is empty: a text begins it anew", async (t) => {
  const pair = await open(t);
  await using session = await pair.createSession();
  await answer(session, "The rain in Graz ", traced(5));
  await session.truncate(0);
  t.like(session.stats(), { stage: "empty", contextTokens: 0, decodeTokens: 5 });
  await refusal(t, "ERR_STAGE_ORDER", session.switch());
  const found = await answer(session, "Another text", traced(8));
  t.deepEqual(found.logProbs, (await answerAlone(pair, "Another text", traced(8))).logProbs);
  t.is(session.stats().contextTokens, (await pair.tokenizeAsync("Another text", { addSpecial: true })).length + 8);
});

test("an answer that has ended can be written on after its end is taken away", async (t) => {
  const pair = await open(t);
  await using session = await pair.createSession();
  const options = { temperature: 1, seed: 3, maxTokens: 40, logProbs: 5 } as const;
  const { tokens } = await answer(session, prompt, { ...options, stop: "e" });
  t.is(session.stats().stage, "ended");
  await session.truncate(60 + tokens.length - 1);
  t.is(session.stats().stage, "paused");
  const rest = await readAnswer(session.decode({ ...options, maxTokens: 10 }));
  // The random numbers go on as well.
  const whole = await answerAlone(pair, prompt, options);
  t.deepEqual(rest.logProbs, from(whole, tokens.length - 1).slice(0, 10));
});

test("another seed, another writer and a grammar begin where an answer was truncated", async (t) => {
  const pair = await open(t);
  await using session = await pair.createSession();
  await answer(session, prompt, { ...traced(20), temperature: 1.5, seed: 1 });
  const rest = async (options: DecodeOptions) => {
    await session.truncate(66);
    return (await readAnswer(session.decode({ ...traced(10), temperature: 1.5, ...options }))).tokens;
  };
  const first = await rest({ seed: 2 });
  t.notDeepEqual(await rest({ seed: 3 }), first);
  t.deepEqual(await rest({ seed: 2 }), first);
  t.is((await rest({ writer: "prefill" })).length, 10);
  await session.truncate(66);
  // With some weights the answer is truncated within a character, which nothing completes.
  t.regex((await readAnswer(session.decode({ grammar: "root ::= [a-c] [a-c] [a-c]" }))).text, /^\ufffd?[a-c]{3}$/);
});

test("what a refresh has read again within an answer stays read", async (t) => {
  for (const handover of ["share", "translate"] as const) {
    const pair = await open(t, { handover });
    await using session = await pair.createSession();
    const refreshing = { ...traced(20), refreshInterval: 6 } as const;
    const { tokens, result } = await answer(session, prompt, refreshing);
    t.is(result.refreshes, 3);
    await session.truncate(75);
    const before = session.stats();
    t.is((await session.prefill(more)).refreshedTokens, 0);
    t.is(session.stats().prefillTokens, before.prefillTokens + more.length);
    await session.switch();
    const found = await readAnswer(session.decode(traced(8)));
    const expected = await answerAlone(pair, [...prompt, ...tokens.slice(0, 15), ...more], traced(8));
    t.deepEqual(found.logProbs, expected.logProbs);
  }
});

test("an answer truncated behind a refresh goes on, and a reader who leaves finds it where he stopped", async (t) => {
  const pair = await open(t);
  const refreshing = { ...traced(20), refreshInterval: 6 } as const;
  const goOn = async (more: (session: Session) => Promise<number>) => {
    await using session = await pair.createSession();
    await answer(session, prompt, refreshing);
    await session.truncate(75);
    const count = await more(session);
    t.is(session.stats().contextTokens, 75 + count);
    const { logProbs } = await readAnswer(session.decode({ ...refreshing, maxTokens: 10 }));
    return { count, logProbs };
  };
  const left = await goOn(async (session) => {
    for await (const { tokens } of session.decode({ ...refreshing, maxTokens: 100 })) return tokens.length;
    return 0;
  });
  const ended = await goOn(async (session) => {
    const { tokens } = await readAnswer(session.decode({ ...refreshing, maxTokens: left.count }));
    return tokens.length;
  });
  t.deepEqual(left, ended);
});

test("an answer truncated inside a character goes on with the whole of it", async (t) => {
  const pair = await open(t);
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const grammar = 'root ::= "ab🙂Ü🙂"';
  const { text, tokens } = await readAnswer(session.decode({ grammar, temperature: 0 }));
  t.is(text, "ab🙂Ü🙂");
  for (let left = 0; left < tokens.length; left++) {
    await session.truncate(60 + left);
    const shown = (await pair.detokenizeAsync(tokens.slice(0, left))).replace(/\uFFFD+$/, "");
    const rest = await readAnswer(session.decode({ grammar, temperature: 0 }));
    t.is(shown + rest.text, text);
    t.is(rest.result.reason, "eos");
  }
});

test("a count that is none, or too large, is refused and changes nothing", async (t) => {
  const session = await openSession(t, { decode: narrower });
  await answer(session, prompt, traced(5));
  const before = session.stats();
  for (const wrong of [
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    2 ** 53,
    "3",
    3n,
    null,
    undefined,
    {},
    66,
  ]) {
    const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", session.truncate(wrong as number));
    t.is(details.parameter, "nTokens");
  }
  t.deepEqual(session.stats(), before);
  const { tokens } = await readAnswer(session.decode(traced(5)));
  t.is(tokens.length, 5);
});

test("a session that runs a stage, or is gone, is not truncated", async (t) => {
  // In so many batches that it still runs when the engine hears of the next call.
  const pair = await openPair(t, { decode: narrower, batchSize: 1 });
  const session = await pair.createSession();
  const reading = session.prefill(someTokens(300));
  await refusal(t, "ERR_SESSION_BUSY", session.truncate(0));
  t.is((await reading).contextTokens, 300);
  await session.truncate(100);
  t.is(session.stats().contextTokens, 100);
  await session.dispose();
  await refusal(t, "ERR_DISPOSED", session.truncate(0));
});

test("a fork is not truncated with its origin", async (t) => {
  const pair = await open(t);
  const session = await pair.createSession();
  await session.prefill(prompt);
  await using twin = await session.fork();
  await session.truncate(10);
  await twin.switch();
  const found = await readAnswer(twin.decode(traced(10)));
  await session.dispose();
  t.deepEqual(found.logProbs, (await answerAlone(pair, prompt, traced(10))).logProbs);
});

for (const [title, recipe] of kindsOfPairs.filter(([title]) => title !== "mamba"))
  test(`a session that was put aside is truncated where it is (${title})`, async (t) => {
    const pair = await openPair(t, { ...recipe, contextSize: 256, cacheTokens: 256, maxSessions: 3, batchSize: 1 });
    const idle = [await pair.createSession(), await pair.createSession()] as const;
    const talk = async (session: Session) => {
      await answer(session, someTokens(100), traced(20));
    };
    const fill = async () => {
      await using session = await pair.createSession();
      await session.prefill(someTokens(200, 3));
    };
    for (const session of idle) await talk(session);
    await fill();
    t.is(pair.metrics().putAside.sessions, 2);
    await idle[0].truncate(110);
    await idle[1].truncate(70);
    // What cannot be cut has nothing left before its mark at the switch.
    t.is(pair.metrics().putAside.sessions, title === "lfm2" ? 1 : 2);

    const single = await openPair(t, { ...recipe, contextSize: 256, cacheTokens: 256, maxSessions: 2, batchSize: 1 });
    const alone = await single.createSession();
    await talk(alone);
    await alone.truncate(110);
    const goOn = async (session: Session) => (await readAnswer(session.decode(traced(5)))).logProbs;
    t.deepEqual(await goOn(idle[0]), await goOn(alone));
    await alone.truncate(70);
    const turn = async (session: Session) => (await answer(session, more, traced(5))).logProbs;
    t.deepEqual(await turn(idle[1]), await turn(alone));

    await fill();
    t.is(pair.metrics().putAside.sessions, 2);
    await idle[0].truncate(0);
    t.is(pair.metrics().putAside.sessions, 1);
    t.deepEqual(
      (await answer(idle[0], prompt, traced(5))).logProbs,
      (await answerAlone(single, prompt, traced(5))).logProbs,
    );
  });

test("leaving an answer that another one has gone on with neither stops that nor takes it back", async (t) => {
  const session = await openSession(t, { decode: narrower, contextSize: 1024 });
  await session.prefill(prompt);
  await session.switch();
  const first = session.decode(traced(20))[Symbol.asyncIterator]();
  await first.next();
  while (session.stats().stage !== "paused") await new Promise((resolve) => setImmediate(resolve));
  const second = session.decode(traced(400))[Symbol.asyncIterator]();
  let count = 0;
  for (let next = await second.next(); !next.done; next = await second.next()) {
    if (count === 0) await first.return?.();
    count += next.value.tokens.length;
  }
  t.is(count, 400);
  t.is(session.stats().contextTokens, 480);
});

test("leaving an answer whose session was truncated since takes nothing more away", async (t) => {
  const session = await openSession(t, { decode: narrower });
  await session.prefill(prompt);
  await session.switch();
  for await (const _ of session.decode(traced(20))) {
    // The answer has been written; the reader is behind.
    while (session.stats().stage !== "paused") await new Promise((resolve) => setImmediate(resolve));
    await session.truncate(70);
    break;
  }
  t.like(session.stats(), { stage: "paused", contextTokens: 70 });
});
