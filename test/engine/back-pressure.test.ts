/** A reader slower than the model: the engine waits for it, and nothing is lost. */

import test from "ava";
import { answerAlone, openPair, traced, turns } from "./fixtures.js";

/** `token_stream::capacity` in native/engine: the tokens that may wait for the reader. */
const capacity = 256;

test("the engine runs ahead of a slow reader by no more than the stream holds", async (t) => {
  const pair = await openPair(t, { prefill: { contextLength: 2048 }, contextSize: 2048, maxSessions: 2 });
  const whole = await answerAlone(pair, [50, 51], traced(1200, 0));
  const session = await pair.createSession();
  await session.prefill([50, 51]);
  await session.switch();

  const sizes: number[] = [];
  const tokens: number[] = [];
  const texts: string[] = [];
  for await (const chunk of session.decode(traced(1200, 0))) {
    sizes.push(chunk.tokens.length);
    tokens.push(...chunk.tokens);
    texts.push(chunk.text);
    if (sizes.length <= 4) await turns(pair, 2 * capacity);
  }
  t.deepEqual(tokens, [...whole.tokens]);
  t.is(texts.join(""), whole.text);
  // A few tokens more, whose text came with the last one's.
  t.true(Math.max(...sizes) <= capacity + 4, `chunks of ${sizes.join(", ")}`);
  t.true(Math.max(...sizes) >= capacity, "it did not run ahead at all, so this shows nothing");
});

test("a reader that has stopped reading stops the engine, and its session can be left", async (t) => {
  const pair = await openPair(t, { prefill: { contextLength: 2048 }, contextSize: 2048, maxSessions: 2 });
  const session = await pair.createSession();
  await session.prefill([50, 51]);
  await session.switch();
  const iterator = session.decode(traced(2000, 0))[Symbol.asyncIterator]();
  const first = await iterator.next();
  const delivered = first.done ? 0 : first.value.tokens.length;
  t.true(delivered > 0);
  await turns(pair, 2 * capacity);
  t.like(await iterator.return?.(), { done: true, value: { reason: "abort", tokens: delivered } });
  const { decodeSteps, decodeTokens } = session.stats();
  t.is(decodeTokens, delivered);
  t.true(decodeSteps <= delivered + capacity + 4, `${decodeSteps} steps`);
});

test("while one reader is slow, another session's answer goes on", async (t) => {
  const pair = await openPair(t, { prefill: { contextLength: 2048 }, contextSize: 2048, maxSessions: 2 });
  const [stuck, quick] = [await pair.createSession(), await pair.createSession()];
  await stuck.prefill([50, 51]);
  await stuck.switch();
  const iterator = stuck.decode(traced(2000, 0))[Symbol.asyncIterator]();
  await iterator.next();
  t.is((await quick.generate([52], traced(1000, 0))).tokens.length, 1000);
  await iterator.return?.();
});
