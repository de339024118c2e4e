/** A host that crashes: what waited for it fails, and the pair comes back. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { hostOf } from "../../lib/host/index.js";
import { OverfillError } from "../../lib/index.js";
import { refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { openHost } from "./fixtures.js";

const long = { contextLength: 4096, nEmbd: 128, nFf: 256, nLayers: 4 } as const;

/** Windows has no signals: who is ended from outside there leaves an exit code. */
const testPosix = process.platform === "win32" ? test.skip : test;

testPosix("a crash fails what waits, with how it ended, and the next call has a new host", async (t) => {
  const { pair, crashes, restarted, pid } = await openHost(t, {
    prefill: long,
    contextSize: 4096,
    batchSize: 8,
    maxSessions: 2,
  });
  const [first, second] = [await pair.createSession(), await pair.createSession()];
  await second.prefill(someTokens(10));
  await second.switch();
  const answer = second.decode(traced(2000)).result;
  const before = pid();
  const again = restarted();
  const reading = first.prefill(someTokens(3000), { onProgress: () => process.kill(before, "SIGKILL") });
  const errors = [
    await refusal(t, "ERR_HOST_CRASHED", reading),
    await refusal(t, "ERR_HOST_CRASHED", answer),
    await refusal(t, "ERR_HOST_CRASHED", first.prefill([50])),
  ];
  for (const error of errors) {
    t.is(error.details.reason, "signal");
    t.is(error.details.signal, "SIGKILL");
    t.regex(error.stack ?? "", /crash\.test\.ts/);
    t.true(OverfillError.isInstance(OverfillError.fromJSON(error.toJSON())));
  }
  t.is(crashes.length, 1);
  await first.dispose();
  await using session = await pair.createSession();
  await again;
  t.not(pid(), before);
  t.is(hostOf(pair)?.restarts, 1);
  const { tokens } = await session.generate(someTokens(10), traced(5));
  t.is(tokens.length, 5);
});

testPosix("a signal is told by its name, with the last words before it", async (t) => {
  const { pair, pid, restarted } = await openHost(t);
  const session = await pair.createSession();
  await session.prefill(someTokens(10));
  const again = restarted();
  process.kill(pid(), "SIGABRT");
  const error = await refusal(t, "ERR_HOST_CRASHED", session.switch());
  t.is(error.details.signal, "SIGABRT");
  // llama.cpp's own, of the load.
  t.regex(error.details.log.join("\n"), /llama|ggml/);
  await again;
});

testPosix("signals that are for the app's whole group do not end its host", async (t) => {
  const { pair, pid, crashes } = await openHost(t);
  await using session = await pair.createSession();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(pid(), signal);
  t.is((await session.generate(someTokens(10), traced(5))).tokens.length, 5);
  t.deepEqual(crashes, []);
});

test("a chat goes on in the new host with the same messages", async (t) => {
  const { pair, pid, restarted } = await openHost(t, { decode: { seed: 2 } });
  await using chat = pair.chat({ template: "chatml" });
  const say = (text: string) => ({ grammar: `root ::= ${JSON.stringify(text)}` });
  await chat.send("the cat", say("sat")).finished;
  const again = restarted();
  process.kill(pid(), "SIGKILL");
  await again;
  const { text } = await chat.send("the dog", say("ran")).finished;
  t.is(text, "ran");
  t.deepEqual(
    chat.messages.map(({ role }) => role),
    ["user", "assistant", "user", "assistant"],
  );
});

test("a session with a checkpoint goes on as at the end of its last turn", async (t) => {
  const checkpointDirectory = withTempDir(t);
  const { pair, pid, restarted } = await openHost(t, { checkpointDirectory, maxSessions: 2 });
  const session = await pair.createSession();
  await session.generate(someTokens(30), traced(10));
  const expected = await pair.createSession();
  await expected.generate(someTokens(30), traced(10));
  const wanted = await expected.generate(someTokens(12, 5), traced(10));
  // The save of a turn's end comes before the next call of its session.
  await session.save(`${checkpointDirectory}/by-hand.ofs`);
  const again = restarted();
  process.kill(pid(), "SIGKILL");
  await again;
  const found = await session.generate(someTokens(12, 5), traced(10));
  t.deepEqual(found.tokens, wanted.tokens);
  await refusal(t, "ERR_INVALID_ARGUMENT", session.truncate(1e6));
  await Promise.all([session.dispose(), expected.dispose()]);
  t.deepEqual(readdirSync(checkpointDirectory), ["by-hand.ofs"]);
});

test("what waits for the next host can be aborted, and an answer that was cut short goes on there", async (t) => {
  let crashed = () => {};
  const crash = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  const { pair, pid } = await openHost(t, {
    checkpointDirectory: withTempDir(t),
    maxSessions: 2,
    onCrash: () => crashed(),
  });
  const [session, expected] = [await pair.createSession(), await pair.createSession()];
  for (const one of [session, expected]) await one.generate(someTokens(30), traced(10));
  const wanted = await expected.decode(traced(8)).result;
  const { contextTokens } = expected.stats();
  // The save of a turn's end comes before the next call of its session.
  await session.save(join(withTempDir(t), "by-hand.ofs"));
  process.kill(pid(), "SIGKILL");
  await crash;
  const reason = new Error("enough");
  const controller = new AbortController();
  const waits = session.prefill(someTokens(5), { signal: controller.signal });
  const stream = session.decode({ ...traced(8), signal: controller.signal });
  const reading = stream[Symbol.asyncIterator]().next();
  controller.abort(reason);
  await t.throwsAsync(waits, { is: reason });
  await t.throwsAsync(reading, { is: reason });
  t.like(await stream.result, { reason: "abort", tokens: 0 });
  const found = await session.decode(traced(8)).result;
  t.is(found.tokens, wanted.tokens);
  t.is(session.stats().contextTokens, contextTokens);
});

test("what was done after the last checkpoint is told to be lost, once", async (t) => {
  let crashed = () => {};
  const crash = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  const checkpointDirectory = withTempDir(t);
  const { pair, pid } = await openHost(t, { checkpointDirectory, onCrash: () => crashed() });
  const session = await pair.createSession();
  await session.generate(someTokens(30), traced(10));
  const { contextTokens } = session.stats();
  await session.prefill(someTokens(20));
  process.kill(pid(), "SIGKILL");
  await crash;
  await refusal(t, "ERR_HOST_CRASHED", session.switch());
  await session.prefill(someTokens(5));
  t.true(session.stats().contextTokens < contextTokens + 20);
  // Without its session or its pair, no file stays.
  await pair.dispose();
  t.deepEqual(readdirSync(checkpointDirectory), []);
});

test("an answer that nobody reads to its end goes with its session", async (t) => {
  const { pair, crashes } = await openHost(t, { maxSessions: 1, prefill: long, contextSize: 4096 });
  const session = await pair.createSession();
  await session.prefill(someTokens(10));
  await session.switch();
  await session.decode(traced(4000))[Symbol.asyncIterator]().next();
  await session.dispose();
  await using next = await pair.createSession();
  t.is((await next.generate(someTokens(10), traced(5))).tokens.length, 5);
  t.deepEqual(crashes, []);
});

test("without restarts, everything after a crash is refused", async (t) => {
  const { pair, pid, crashes } = await openHost(t, { restart: "never" });
  const session = await pair.createSession();
  process.kill(pid(), "SIGKILL");
  await refusal(t, "ERR_HOST_CRASHED", session.prefill([50]));
  await refusal(t, "ERR_HOST_CRASHED", pair.createSession());
  await refusal(t, "ERR_HOST_CRASHED", pair.tokenizeAsync("the cat"));
  t.is(hostOf(pair)?.pid, undefined);
  t.is(crashes.length, 1);
  await session.dispose();
  await pair.dispose();
});

test("who bounds the wait for a session waits no longer for a host that is started again", async (t) => {
  let crashed = () => {};
  const crash = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  const { pair, pid, restarted } = await openHost(t, { queue: { timeoutMs: 1 }, onCrash: () => crashed() });
  const again = restarted();
  process.kill(pid(), "SIGKILL");
  await crash;
  const error = await refusal(t, "ERR_QUEUE_TIMEOUT", pair.createSession());
  t.deepEqual(error.details, { timeoutMs: 1 });
  await again;
  // A place that is free is given, however long the host takes to say so.
  await using session = await pair.createSession();
  t.is((await session.generate(someTokens(10), traced(5))).tokens.length, 5);
});

test("too many crashes in a row end the pair", async (t) => {
  const { pair, pid, restarted } = await openHost(t, { maxRestarts: 2, restartWindowMs: 600_000 });
  for (let i = 0; i < 2; i++) {
    const again = restarted();
    process.kill(pid(), "SIGKILL");
    await again;
  }
  const session = await pair.createSession();
  process.kill(pid(), "SIGKILL");
  await refusal(t, "ERR_HOST_CRASHED", session.prefill([50]));
  const error = await refusal(t, "ERR_HOST_CRASH_LOOP", pair.createSession());
  t.is(error.details.crashes, 3);
  t.is((error.cause as OverfillError).code, "ERR_HOST_CRASHED");
});

testPosix("a host that hangs is a crash", async (t) => {
  const { pair, pid, restarted } = await openHost(t, { stallTimeoutMs: 3000 });
  const session = await pair.createSession();
  const again = restarted();
  process.kill(pid(), "SIGSTOP");
  const error = await refusal(t, "ERR_HOST_CRASHED", session.prefill(someTokens(10)));
  t.is(error.details.reason, "stall");
  await again;
});

test("a host whose engine stands still is a crash, also where the rest of it answers", async (t) => {
  // One batch that takes several times as long as the timeout; the host tells all the while that it lives.
  const { pair, restarted, crashes } = await openHost(t, {
    prefill: { contextLength: 8192, nEmbd: 256, nFf: 1024, nLayers: 8 },
    ...{ contextSize: 8192, batchSize: 8192, stallTimeoutMs: 1500 },
  });
  const session = await pair.createSession();
  const again = restarted();
  const error = await refusal(t, "ERR_HOST_CRASHED", session.prefill(someTokens(8000)));
  t.is(error.details.reason, "stall");
  await again;
  t.is(crashes.length, 1);
});

test("a host that works for longer than that, or waits for its reader, does not hang", async (t) => {
  const { pair, crashes } = await openHost(t, { prefill: long, contextSize: 4096, batchSize: 1, stallTimeoutMs: 3000 });
  const session = await pair.createSession();
  await session.prefill(someTokens(10));
  await session.switch();
  const reader = session.decode({ ...traced(400), logProbs: undefined })[Symbol.asyncIterator]();
  await reader.next();
  // The reader is slower than what is taken for a hang, and something else runs all the while.
  const begin = performance.now();
  let tokens = 0;
  while (performance.now() - begin < 3500) tokens = (await pair.tokenizeAsync("the cat sat on the mat")).length;
  t.true(tokens > 0);
  let last = await reader.next();
  while (!last.done) last = await reader.next();
  t.is(last.value.tokens, 400);
  t.deepEqual(crashes, []);
});

test("a host that takes too much memory is a crash", async (t) => {
  // Node alone takes more.
  const error = await refusal(t, "ERR_HOST_CRASHED", openHost(t, { maxMemoryBytes: 20e6 }));
  t.is(error.details.reason, "memory");
});
