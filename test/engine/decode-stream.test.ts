/** The stream of an answer: read once, left early, gone on with, ended by a result. */

import { setImmediate as immediate } from "node:timers/promises";
import test from "ava";
import type { DecodeChunk, DecodeStream } from "../../lib/index.js";
import {
  type Answer,
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

const prompt = someTokens(40);
const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;

const handovers = ["share", "translate"] as const;

for (const handover of handovers) {
  test(`an answer gone on with after "length" is one long answer (${handover})`, async (t) => {
    const pair = await openPair(t, { decode, handover, maxSessions: 2 });
    const whole = await answerAlone(pair, prompt, traced(60));
    const session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const parts = [];
    for (const maxTokens of [1, 2, 27, 30]) {
      const part = await readAnswer(session.decode(traced(maxTokens)));
      t.is(part.result.reason, "length");
      t.is(part.result.tokens, maxTokens);
      t.is(session.stats().stage, "paused");
      parts.push(part);
    }
    t.deepEqual(
      parts.flatMap(({ logProbs }) => logProbs),
      [...whole.logProbs],
    );
    t.is(session.stats().decodeTokens, 60);
  });

  test(`an answer that was left early and gone on with is the answer that was never left (${handover})`, async (t) => {
    const pair = await openPair(t, { decode, handover, maxSessions: 2 });
    const whole = await answerAlone(pair, prompt, traced(200));
    const session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const logProbs = [];
    while (logProbs.length < 200) {
      const stream = session.decode(traced(200 - logProbs.length));
      let delivered = 0;
      for await (const chunk of stream) {
        logProbs.push(...(chunk.logProbs ?? []));
        delivered += chunk.tokens.length;
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (delivered > 5) break;
      }
      const result = await stream.result;
      t.is(result.tokens, delivered);
      t.is(session.stats().decodeTokens, logProbs.length);
      t.is(session.stats().contextTokens, prompt.length + logProbs.length);
    }
    t.deepEqual(logProbs, [...whole.logProbs]);
  });
}

test("a reader who leaves gets the reason abort, and the session stands where the reader stopped", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(400));
  let delivered = 0;
  for await (const chunk of stream) {
    delivered += chunk.tokens.length;
    break;
  }
  t.like(await stream.result, { reason: "abort", tokens: delivered });
  t.like(session.stats(), { stage: "paused", contextTokens: prompt.length + delivered, decodeTokens: delivered });
});

test("nothing is generated before the first read", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(5));
  t.is(session.stats().stage, "switched");
  // A stream that nobody reads does not hold the session.
  t.is((await session.prefill([50])).contextTokens, 41);
  await session.switch();
  t.is((await readAnswer(stream)).tokens.length, 5);
});

test("the result alone runs the answer", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(300));
  t.like(await stream.result, { reason: "length", tokens: 300, decodeSteps: 299 });
  t.is(session.stats().decodeTokens, 300);
  t.is(await stream.result, await stream.result);
});

const orders: readonly (readonly [title: string, read: (stream: DecodeStream) => Promise<Answer>])[] = [
  [
    "before the answer is read",
    async (stream) => {
      const result = await stream.result;
      return { ...(await readAnswer(stream)), result };
    },
  ],
  [
    "when the reading begins",
    async (stream) => {
      const [result, answer] = await Promise.all([stream.result, readAnswer(stream)]);
      return { ...answer, result };
    },
  ],
  [
    "in the midst of the reading",
    async (stream) => {
      const chunks: DecodeChunk[] = [];
      for await (const chunk of stream) {
        chunks.push(chunk);
        await stream.result;
      }
      const logProbs = chunks.flatMap((chunk) => chunk.logProbs ?? []);
      return {
        text: "",
        tokens: chunks.flatMap(({ tokens }) => tokens),
        logProbs,
        chunks,
        result: await stream.result,
      };
    },
  ],
];

for (const [title, read] of orders)
  test(`a result asked for ${title} takes nothing from the reader`, async (t) => {
    const pair = await openPair(t, { decode, maxSessions: 2 });
    const whole = await answerAlone(pair, prompt, traced(30));
    const session = await pair.createSession();
    await session.prefill(prompt);
    await session.switch();
    const { tokens, logProbs, result } = await read(session.decode(traced(30)));
    t.deepEqual(tokens, [...whole.tokens]);
    t.deepEqual(logProbs, [...whole.logProbs]);
    t.like(result, { reason: "length", tokens: 30 });
    t.is(session.stats().decodeTokens, 30);
  });

test("a reader who leaves after the result was asked for stands where he stopped, or at the end", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(200));
  const { result } = stream;
  let delivered = 0;
  for await (const chunk of stream) {
    delivered += chunk.tokens.length;
    break;
  }
  t.like(await result, { reason: "abort", tokens: delivered });
  t.is(session.stats().decodeTokens, delivered);

  const ended = session.decode(traced(5));
  t.is((await ended.result).tokens, 5);
  for await (const _chunk of ended) break;
  t.is(session.stats().decodeTokens, delivered + 5);
});

test("an answer that fails without a reader fails both ways", async (t) => {
  const session = await openSession(t, { decode });
  const stream = session.decode(greedy);
  await refusal(t, "ERR_STAGE_ORDER", stream.result);
  await refusal(t, "ERR_STAGE_ORDER", readAnswer(stream));
});

test("an abort of an answer without a reader keeps what was read", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const controller = new AbortController();
  const stream = session.decode({ ...traced(3000), signal: controller.signal });
  const { result } = stream;
  // Several turns of the event loop, so that some of the answer has come.
  for (let turns = 0; turns < 5; turns++) await immediate();
  controller.abort(new RangeError("enough"));
  const { reason, tokens } = await result;
  t.is(reason, "abort");
  t.is(session.stats().decodeTokens, tokens);
  let read = 0;
  const reading = (async () => {
    for await (const chunk of stream) read += chunk.tokens.length;
  })();
  await t.throwsAsync(reading, { message: "enough" });
  t.is(read, tokens);
});

test("a stream can be iterated only once", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const read = session.decode(traced(3));
  await readAnswer(read);
  await refusal(t, "ERR_STREAM_CONSUMED", readAnswer(read));
  t.is((await read.result).tokens, 3);

  const both = session.decode(traced(3));
  const iterator = both[Symbol.asyncIterator]();
  await refusal(t, "ERR_STREAM_CONSUMED", () => both[Symbol.asyncIterator]());
  while (!(await iterator.next()).done);
  t.is((await both.result).tokens, 3);
});

test("the iteration ends with the result, and stays ended", async (t) => {
  const session = await openSession(t, { decode });
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(3));
  const iterator = stream[Symbol.asyncIterator]();
  let step = await iterator.next();
  while (!step.done) step = await iterator.next();
  t.is(step.value, await stream.result);
  t.deepEqual(await iterator.next(), step);
  t.deepEqual(await iterator.return?.(), step);
});

test("leaving before the first read generates nothing, and the answer can still be asked for", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2 });
  const session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const stream = session.decode(traced(3));
  await stream[Symbol.asyncIterator]().return?.();
  t.like(await stream.result, { reason: "abort", tokens: 0, decodeSteps: 0 });
  t.is(session.stats().stage, "switched");
  t.deepEqual(
    (await readAnswer(session.decode(traced(8)))).logProbs,
    (await answerAlone(pair, prompt, traced(8))).logProbs,
  );
});

test("chunks read without awaiting one another come in order and are complete", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2 });
  const whole = await answerAlone(pair, prompt, traced(100));
  const session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  const iterator = session.decode(traced(100))[Symbol.asyncIterator]();
  const tokens: number[] = [];
  for (let open = true; open; ) {
    for (const step of await Promise.all([iterator.next(), iterator.next(), iterator.next()])) {
      if (step.done) open = false;
      else tokens.push(...step.value.tokens);
    }
  }
  t.deepEqual(tokens, [...whole.tokens]);
});

test("an answer ends at the end token, which is neither shown nor counted, unless the end is ignored", async (t) => {
  const pair = await openPair(t, { decode });
  const eos = (await pair.tokenizeAsync("<|end_of_text|>", { parseSpecial: true }))[0] ?? 0;
  const logitBias = { [eos]: 1e6 };
  const ended = await answerAlone(pair, prompt, { ...greedy, maxTokens: 10, logitBias });
  t.like(ended, { text: "", tokens: [] });
  t.like(ended.result, { reason: "eos", tokens: 0 });
  const ignored = await answerAlone(pair, prompt, { ...greedy, maxTokens: 10, ignoreEos: true });
  t.is(ignored.tokens.length, 10);
  t.false(ignored.tokens.includes(eos));
});

test("an answer that fills the context ends with the reason context", async (t) => {
  const session = await openSession(t, { decode, contextSize: 256 });
  t.is(session.pair.info.contextSize, 256);
  const { tokens, result } = await answer(session, prompt, { ...greedy, ignoreEos: true });
  t.is(result.reason, "context");
  t.is(tokens.length, 256 - prompt.length);
  t.like(session.stats(), { contextTokens: 256, contextSize: 256, stage: "paused" });
  // It cannot go on, and says so again.
  t.like((await readAnswer(session.decode(greedy))).result, { reason: "context", tokens: 0 });
  const error = await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill([50]));
  t.deepEqual(error.details, { promptTokens: 1, contextTokens: 256, contextSize: 256 });
});

test("a prompt that just fits leaves no room for an answer", async (t) => {
  const session = await openSession(t, { decode, contextSize: 256 });
  const { tokens, result } = await answer(session, someTokens(256), greedy);
  t.deepEqual(tokens, []);
  t.is(result.reason, "context");
});

test("times, steps and speed of a result fit together", async (t) => {
  const session = await openSession(t, { decode });
  const { result } = await answer(session, prompt, traced(50));
  t.is(result.decodeSteps, 49);
  t.true(result.ms > 0);
  t.true(Math.abs(result.tokensPerSecond - (result.decodeSteps * 1000) / result.ms) < 1e-6);
  const { result: next } = await (async () => readAnswer(session.decode(traced(50))))();
  t.is(next.decodeSteps, 50);
});

test("what was written before a failure arrives before it", async (t) => {
  const session = await openSession(t);
  const [b = -1] = await session.tokenizeAsync("b");
  await session.prefill("x");
  await session.switch();
  // The grammar wants a "b" that the bias forbids. The "a" is held back, for it may begin the stop string.
  const options = { ...greedy, grammar: 'root ::= "a" "b"', stop: "ab", logitBias: { [b]: Number.NEGATIVE_INFINITY } };
  const chunks: string[] = [];
  await refusal(t, "ERR_INFERENCE_FAILED", async () => {
    for await (const chunk of session.decode(options)) chunks.push(chunk.text);
  });
  t.deepEqual(chunks, ["a"]);
  t.is(session.stats().stage, "paused");
});
