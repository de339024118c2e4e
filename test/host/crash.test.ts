/** A host that crashes: what waited for it fails, and the pair comes back. */

import { existsSync, readdirSync } from "node:fs";
import test from "ava";
import { hostOf } from "../../lib/host/index.js";
import { OverfillError } from "../../lib/index.js";
import { refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { openHost } from "./fixtures.js";

const long = { contextLength: 4096, nEmbd: 128, nFf: 256, nLayers: 4 } as const;

test("a crash fails what waits, with how it ended, and the next call has a new host", async (t) => {
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

test("an assertion of llama.cpp's is told with its words", async (t) => {
  const { pair, pid, restarted } = await openHost(t);
  const session = await pair.createSession();
  await session.prefill(someTokens(10));
  const again = restarted();
  process.kill(pid(), "SIGABRT");
  const error = await refusal(t, "ERR_HOST_CRASHED", session.switch());
  t.is(error.details.signal, "SIGABRT");
  t.true(error.details.log.length > 0);
  await again;
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
  t.true(existsSync(checkpointDirectory));
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
  await session.truncate(session.stats().contextTokens);
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

const testPosix = process.platform === "win32" ? test.skip : test;

testPosix("a host that hangs is a crash", async (t) => {
  const { pair, pid, restarted } = await openHost(t, { stallTimeoutMs: 1500 });
  const session = await pair.createSession();
  const again = restarted();
  process.kill(pid(), "SIGSTOP");
  const error = await refusal(t, "ERR_HOST_CRASHED", session.prefill(someTokens(10)));
  t.is(error.details.reason, "stall");
  await again;
});

test("a host that works for long, or waits for its reader, does not hang", async (t) => {
  const { pair, crashes } = await openHost(t, { prefill: long, contextSize: 4096, batchSize: 8, stallTimeoutMs: 1500 });
  const session = await pair.createSession();
  await session.prefill(someTokens(1000));
  await session.switch();
  const stream = session.decode({ ...traced(400), logProbs: undefined });
  const reader = stream[Symbol.asyncIterator]();
  await reader.next();
  await new Promise((resolve) => {
    setTimeout(resolve, 2500);
  });
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
