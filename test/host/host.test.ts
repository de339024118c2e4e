/** A pair in a host: does what one in this process does, and ends with its app. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair, OverfillError, Pair } from "../../lib/index.js";
import { greedy, quiet, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { isAlive, openHost } from "./fixtures.js";

test("answers what the pair answers in this process, and tells the same of it", async (t) => {
  // A prefix cache of the default size takes a share of what memory is free.
  const options = { ...demoPair, ...quiet, prefixCache: { maxBytes: 1e6 } };
  await using here = await loadPair(options);
  await using there = await loadPairInHost(options);
  t.true(there instanceof Pair);
  const { loadMs: _here, ...expected } = here.info;
  const { loadMs: _there, ...found } = there.info;
  t.deepEqual(found, expected);
  const [one, other] = await Promise.all(
    [here, there].map(async (pair) => {
      await using session = await pair.createSession();
      const { text, tokens, decode } = await session.generate(demoPrompt, { ...greedy, maxTokens: 40 });
      return { text, tokens, reason: decode.reason, stage: session.stats().stage };
    }),
  );
  t.deepEqual(other, one);
  t.is(hostOf(here), undefined);
  t.is(hostOf(there)?.restarts, 0);
});

test("the process ends with the pair, and what was asked of it rejects as disposed", async (t) => {
  const { pair, pid, crashes } = await openHost(t);
  const process = pid();
  t.true(isAlive(process));
  const session = await pair.createSession();
  await session.prefill(someTokens(20));
  await session.switch();
  const stream = session.decode(traced(200));
  const reading = stream.result;
  const disposal = pair.dispose();
  await refusal(t, "ERR_DISPOSED", reading);
  await disposal;
  t.false(isAlive(process));
  await refusal(t, "ERR_DISPOSED", pair.createSession());
  t.deepEqual(crashes, []);
});

test("errors have their class, code and details, and the stack of the call here", async (t) => {
  const { pair } = await openHost(t);
  const session = await pair.createSession();
  const overflow = await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(someTokens(5000)));
  t.is(overflow.details.promptTokens, 5000);
  t.regex(overflow.stack ?? "", /host\.test\.ts/);
  t.true(OverfillError.isInstance(overflow));
  const order = await refusal(t, "ERR_STAGE_ORDER", session.switch());
  t.deepEqual(order.details, { stage: "empty" });
  const missing = join(withTempDir(t), "missing.gguf");
  const found = await refusal(t, "ERR_MODEL_NOT_FOUND", loadPairInHost({ ...quiet, prefill: { model: missing } }));
  t.is(found.details.path, missing);
  t.regex(found.stack ?? "", /host\.test\.ts/);
});

test("calls that answer at once say which to await instead", async (t) => {
  const { pair } = await openHost(t);
  const session = await pair.createSession();
  for (const [method, call] of [
    ["tokenize", () => pair.tokenize("the cat")],
    ["tokenize", () => session.tokenize("the cat")],
    ["detokenize", () => pair.detokenize([50])],
    ["encode", () => pair.encode({ text: "the cat" })],
  ] as const) {
    const error = await refusal(t, "ERR_HOST_ASYNC_ONLY", call);
    t.deepEqual(error.details, { method, instead: `${method}Async` });
  }
  const tokens = await pair.tokenizeAsync("the cat");
  t.is(await pair.detokenizeAsync(tokens), "the cat");
  t.true((await pair.encodeAsync({ text: "the cat" })).response.length > 0);
});

test("options are refused here, by name, before a process is started", async (t) => {
  const prefill = { model: "some.gguf" };
  for (const [options, parameter] of [
    [{ prefill, stallTimeoutMs: 5 }, "options.stallTimeoutMs"],
    [{ prefill, nice: 30 }, "options.nice"],
    [{ prefill, restart: "always" }, "options.restart"],
    [{ prefill, maxSessions: 0 }, "options.maxSessions"],
    [{ prefill, port: {} }, "options.port"],
    [{ prefill, port: new MessageChannel().port1, restart: "on-crash" }, "options.restart"],
    [{ prefill, stallTimeout: 5 }, "options.stallTimeout"],
  ] as const) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", loadPairInHost(options as never));
    t.is(error.details.parameter, parameter);
  }
});

test("paths as URLs, progress and aborts cross", async (t) => {
  const dir = withTempDir(t);
  const { path } = await writeTinyModel(join(dir, "a.gguf"), { contextLength: 2048 });
  const fractions: number[] = [];
  await using pair = await loadPairInHost({
    ...quiet,
    prefill: { model: pathToFileURL(path) },
    batchSize: 16,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  t.is(fractions.at(-1), 1);
  const session = await pair.createSession();
  const controller = new AbortController();
  const seen: number[] = [];
  const reason = new Error("enough");
  await t.throwsAsync(
    session.prefill(someTokens(1500), {
      signal: controller.signal,
      onProgress: ({ tokens }) => {
        seen.push(tokens);
        controller.abort(reason);
      },
    }),
    { is: reason },
  );
  t.true(seen.length > 0);
  t.is(session.stats().stage, "empty");
  const thrown = new Error("of the caller");
  await t.throwsAsync(
    session.prefill(someTokens(1500), {
      onProgress: () => {
        throw thrown;
      },
    }),
    { is: thrown },
  );
});

test("a load that is aborted leaves no process", async (t) => {
  const reason = new Error("not now");
  const controller = new AbortController();
  const { path } = await writeTinyModel(join(withTempDir(t), "a.gguf"));
  const loading = loadPairInHost({ ...quiet, prefill: { model: path }, signal: controller.signal });
  controller.abort(reason);
  await t.throwsAsync(loading, { is: reason });
});

test("chats with tools run their tools here", async (t) => {
  await using pair = await loadPairInHost({ ...demoPair, ...quiet });
  await using chat = pair.chat({ template: "chatml" });
  const { text } = await chat.send("Hello", { grammar: 'root ::= "Good day."' }).finished;
  t.is(text, "Good day.");
  const again = await chat.send("And again", { grammar: 'root ::= "Good night."' }).finished;
  t.is(again.text, "Good night.");
  t.is(chat.messages.length, 4);
});

test("what llama.cpp logs in the host can be heard", async (t) => {
  const levels = new Set<string>();
  const { pair } = await openHost(t, { onLog: ({ level }) => levels.add(level), logLevel: "debug" });
  await using session = await pair.createSession();
  await session.prefill(someTokens(10));
  t.true(levels.has("info"), [...levels].join());
});
