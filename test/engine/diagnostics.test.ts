/** What is published on `node:diagnostics_channel` when stages end. */

import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import test, { type ExecutionContext } from "ava";
import type { DiagnosticsEvents, Pair } from "../../lib/index.js";
import { runChild } from "./child-process.js";
import { answer, openSession, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const names = ["overfill:prefill", "overfill:switch", "overfill:decode", "overfill:refresh"] as const;

type Told = {
  [Name in keyof DiagnosticsEvents]: { readonly name: Name } & DiagnosticsEvents[Name];
}[keyof DiagnosticsEvents];

/** The events of one pair, as they come; other tests' pairs publish beside it. */
function eventsOf(t: ExecutionContext, pair: Pair): Told[] {
  const events: Told[] = [];
  const listen = (event: unknown, name: string | symbol) => {
    const { pairId } = event as DiagnosticsEvents[keyof DiagnosticsEvents];
    if (pairId === pair.id) events.push({ name, ...(event as object) } as Told);
  };
  for (const name of names) subscribe(name, listen);
  t.teardown(() => {
    for (const name of names) unsubscribe(name, listen);
  });
  return events;
}

test("each stage tells its end, its counts and whose it was", async (t) => {
  const session = await openSession(t, { decode, maxSessions: 2 });
  const events = eventsOf(t, session.pair);
  await session.prefill(someTokens(20));
  t.like(events[0], {
    ...{ name: "overfill:prefill", pairId: session.pair.id, sessionId: session.id, outcome: "ok" },
    ...{ tokens: 20, promptTokens: 20, keptTokens: 0, refreshedTokens: 0 },
  });
  await session.switch();
  t.like(events[1], {
    ...{ name: "overfill:switch", pairId: session.pair.id, sessionId: session.id, outcome: "ok" },
    ...{ tokens: 20, bytes: 0, kind: "share", implementation: "share" },
  });
  const { result } = await readAnswer(session.decode(traced(10, 0)));
  t.like(events[2], {
    ...{ name: "overfill:decode", pairId: session.pair.id, sessionId: session.id, outcome: "ok" },
    ...{ tokens: 10, decodeSteps: 9, finishReason: "length", engineMs: result.ms },
  });
  t.is(events.length, 3);
  for (const event of events) {
    t.true((event.ms ?? 0) > 0);
    t.false("errorCode" in event);
  }
  const other = await session.pair.createSession();
  t.not(other.id, session.id);
  await other.prefill(someTokens(5));
  t.is(events.at(-1)?.sessionId, other.id);
});

test("no event has a text, and all of them are plain data", async (t) => {
  const session = await openSession(t, { decode });
  const events = eventsOf(t, session.pair);
  const { text } = await session.generate("A secret question", { ...traced(20, 0), stop: ["a stop that is secret"] });
  await session.generate("Another secret", { ...traced(5, 0), refreshInterval: 2 });
  t.deepEqual(
    events.map(({ name }) => name.slice("overfill:".length)),
    ["prefill", "switch", "decode", "refresh", "prefill", "switch", "refresh", "decode"],
  );
  const json = JSON.stringify(events);
  t.notRegex(json, /secret|question/);
  t.false(json.includes(JSON.stringify(text).slice(1, -1)));
  t.deepEqual(structuredClone(events), events);
});

test("refreshes are told before the stage they belong to: with an answer's totals, or with the prefill's", async (t) => {
  const session = await openSession(t, { decode });
  const events = eventsOf(t, session.pair);
  const { result } = await answer(session, someTokens(20), { ...traced(20, 0), refreshInterval: 5 });
  t.true(result.refreshes > 1);
  t.like(events[2], {
    ...{ name: "overfill:refresh", outcome: "ok", within: "decode", refreshes: result.refreshes },
    ...{ tokens: result.refreshedTokens, ms: result.refreshMs },
  });
  t.is(events[3]?.name, "overfill:decode");
  const { refreshedTokens } = await session.prefill(someTokens(5));
  t.true(refreshedTokens > 0);
  t.like(events[4], { name: "overfill:refresh", within: "prefill", refreshes: 1, tokens: refreshedTokens });
  t.false("ms" in (events[4] ?? {}));
  t.like(events[5], { name: "overfill:prefill", tokens: 5 + refreshedTokens, promptTokens: 5, refreshedTokens });
  t.is(events.length, 6);
});

test("an abort is told as one, with the tokens that the session keeps", async (t) => {
  const shape = { nLayers: 4, contextLength: 1024 } as const;
  // Slow enough for an abort to come before the end.
  const prefill = { ...shape, nEmbd: 256, nFf: 512 };
  const sizes = { contextSize: 1024, batchSize: 4 };
  const session = await openSession(t, { prefill, decode: { ...decode, ...shape }, ...sizes });
  const events = eventsOf(t, session.pair);
  const reason = new Error("enough");
  const stopPrefill = new AbortController();
  await t.throwsAsync(
    session.prefill(someTokens(600), { signal: stopPrefill.signal, onProgress: () => stopPrefill.abort(reason) }),
    { is: reason },
  );
  t.like(events[0], { name: "overfill:prefill", outcome: "abort", tokens: 0, promptTokens: 0 });
  t.false("errorCode" in (events[0] ?? {}));

  await session.prefill(someTokens(20));
  await session.switch();
  // More tokens than can be written between two reads.
  const stopDecode = new AbortController();
  let nRead = 0;
  const reading = (async () => {
    for await (const chunk of session.decode({ ...traced(600, 0), signal: stopDecode.signal })) {
      nRead += chunk.tokens.length;
      stopDecode.abort(reason);
    }
  })();
  await t.throwsAsync(reading, { is: reason });
  t.like(events.at(-1), { name: "overfill:decode", outcome: "abort", finishReason: "abort", tokens: nRead });

  // A reader who leaves.
  let nTaken = 0;
  for await (const chunk of session.decode(traced(600, 0))) {
    nTaken += chunk.tokens.length;
    break;
  }
  t.like(events.at(-1), { name: "overfill:decode", outcome: "abort", finishReason: "abort", tokens: nTaken });
  t.is(events.length, 5);
});

test("an error is told with its code, where it has one", async (t) => {
  const shape = { contextLength: 1024 } as const;
  const session = await openSession(t, { prefill: shape, decode: { ...decode, ...shape }, contextSize: 1024 });
  const events = eventsOf(t, session.pair);
  await refusal(t, "ERR_STAGE_ORDER", session.switch());
  t.like(events[0], { name: "overfill:switch", outcome: "error", errorCode: "ERR_STAGE_ORDER", tokens: 0, bytes: 0 });
  await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(someTokens(1100)));
  t.like(events[1], { name: "overfill:prefill", outcome: "error", errorCode: "ERR_CONTEXT_OVERFLOW", tokens: 0 });
  await refusal(t, "ERR_STAGE_ORDER", readAnswer(session.decode()));
  t.like(events[2], { name: "overfill:decode", outcome: "error", errorCode: "ERR_STAGE_ORDER", tokens: 0 });
  t.false("finishReason" in (events[2] ?? {}));
  const thrown = new Error("the caller's own");
  const onProgress = () => {
    throw thrown;
  };
  await t.throwsAsync(session.prefill(someTokens(5), { onProgress }), { is: thrown });
  t.is(events[3]?.outcome, "error");
  t.false("errorCode" in (events[3] ?? {}));

  await session.prefill(someTokens(20));
  await session.switch();
  // More tokens than can be written between two reads.
  const chunks = session.decode(traced(600, 0))[Symbol.asyncIterator]();
  const first = await chunks.next();
  const disposed = session.dispose();
  const rest = (async () => {
    for (let next = first; !next.done; next = await chunks.next());
  })();
  await refusal(t, "ERR_DISPOSED", rest);
  await disposed;
  t.like(events.at(-1), { name: "overfill:decode", outcome: "error", errorCode: "ERR_DISPOSED" });
  t.is(events.length, 7);
});

test("a stage that did not begin tells nothing", async (t) => {
  const session = await openSession(t, { decode });
  const events = eventsOf(t, session.pair);
  const signal = AbortSignal.abort(new Error("before it began"));
  await refusal(t, "ERR_INVALID_ARGUMENT", session.prefill(""));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => session.decode({ maxTokens: -1 }));
  await t.throwsAsync(session.prefill(someTokens(5), { signal }), { is: signal.reason });
  await t.throwsAsync(session.switch({ signal }), { is: signal.reason });
  await t.throwsAsync(readAnswer(session.decode({ signal })), { is: signal.reason });
  session.decode();
  await session.decode()[Symbol.asyncIterator]().return?.();
  await session.dispose();
  await refusal(t, "ERR_DISPOSED", session.prefill(someTokens(5)));
  t.deepEqual(events, []);
});

test("whoever subscribes while a stage runs is told its end", async (t) => {
  const session = await openSession(t, { decode, batchSize: 8 });
  let events: Told[] | undefined;
  await session.prefill(someTokens(60), {
    onProgress: () => {
      events ??= eventsOf(t, session.pair);
    },
  });
  t.like(events, [{ name: "overfill:prefill", tokens: 60 }]);
});

test("without a subscriber nothing is published", async (t) => {
  const { code, stdout, stderr } = await runChild("diagnostics.mjs", { args: ["nobody"] });
  t.is(code, 0, stderr);
  t.deepEqual(JSON.parse(stdout), { tokens: 5, published: 0 });
});

test("a subscriber that throws harms no stage: its error is an uncaught exception after it", async (t) => {
  const { code, stdout, stderr } = await runChild("diagnostics.mjs", { args: ["caught"] });
  t.is(code, 0, stderr);
  t.deepEqual(JSON.parse(stdout), {
    tokens: 5,
    others: ["overfill:prefill", "overfill:switch", "overfill:decode"],
    uncaught: ["not overfill:prefill", "not overfill:switch", "not overfill:decode"],
  });
});

test("which ends a program that does not expect it", async (t) => {
  const { code, stdout, stderr } = await runChild("diagnostics.mjs", { args: ["uncaught"] });
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /Error: not overfill:prefill/);
});

test("the channels have the names that are promised", (t) => {
  for (const name of names) t.is(channel(name).name, name);
});
