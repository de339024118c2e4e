/** The chats behind the calls: what the next call finds read, calls at once, waiting, stopping, and giving back. */

import { setImmediate as immediate } from "node:timers/promises";
import { generateText, type ModelMessage, streamText } from "ai";
import test from "ava";
import { createOverfill, type LanguageModel } from "../../lib/ai-sdk/index.js";
import { refusal } from "../engine/fixtures.js";
import { openProvider, says, toolTemplate } from "./fixtures.js";

/** A conversation that goes on with each call; gives the tokens that were held and those that were read. */
function conversation(model: LanguageModel, begin: string) {
  const messages: ModelMessage[] = [];
  return async (text: string) => {
    messages.push({ role: "user", content: text });
    const { usage, response } = await generateText({
      ...{ model, system: begin.repeat(40), messages },
      providerOptions: says("Good."),
    });
    messages.push(...response.messages);
    const { cacheReadTokens = 0, noCacheTokens = 0 } = usage.inputTokenDetails;
    return { held: cacheReadTokens, read: noCacheTokens };
  };
}

/** A call that runs until it is stopped; resolves when it has begun. */
async function endless(model: LanguageModel, prompt = "x") {
  const controller = new AbortController();
  const { stream } = await model.doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: prompt }] }],
    abortSignal: controller.signal,
    providerOptions: { overfill: { grammar: "root ::= [a-z]+" } },
  });
  return { controller, stream };
}

async function drain(stream: ReadableStream): Promise<unknown> {
  try {
    for await (const _ of stream);
    return undefined;
  } catch (error) {
    return error;
  }
}

test("the next turn of each conversation reads only what is new", async (t) => {
  const { provider } = await openProvider(t);
  const talks = ["a b ", "c d "].map((begin) => conversation(provider("small"), begin));
  const first = [];
  for (const talk of talks) first.push(await talk("Hello"));
  for (const [i, talk] of [...talks, ...talks].entries()) {
    const { held, read } = await talk("And now?");
    t.true(held >= (first[i % 2]?.read ?? 0), `${held} tokens were held`);
    t.true(read < 80, `${read} tokens were read`);
  }
});

test("a third conversation takes the place of the one that was silent longest", async (t) => {
  const { provider } = await openProvider(t);
  const [a, b, c] = ["a b ", "c d ", "e f "].map((begin) => conversation(provider("small"), begin)) as [
    ReturnType<typeof conversation>,
    ReturnType<typeof conversation>,
    ReturnType<typeof conversation>,
  ];
  await a("1");
  await b("1");
  await a("2");
  await c("1");
  t.true((await a("3")).read < 80);
  t.true((await b("2")).read > 80);
});

test("a new conversation takes the place of the one that begins as it does, rather than the older one's", async (t) => {
  const { provider } = await openProvider(t);
  const model = provider("small");
  const old = conversation(model, "a b c d e f ");
  await old("1");
  const instructions = "Be kind and brief. ";
  await conversation(model, instructions)("How do you do? ".repeat(100));
  const { held } = await conversation(model, instructions)("Another thing.");
  t.true(held > 300, `${held} tokens were held`);
  t.true((await old("2")).read < 80);
});

test("an answer that was stopped leaves what it read to the next call", async (t) => {
  const { provider } = await openProvider(t, { maxSessions: 1 });
  const model = provider("small");
  const prompt = "The same prompt again. ".repeat(20);
  const { controller, stream } = await endless(model, prompt);
  controller.abort(new Error("enough"));
  t.is(((await drain(stream)) as Error).message, "enough");
  const { usage } = await generateText({ model, prompt, providerOptions: says("ok") });
  t.true((usage.inputTokenDetails.cacheReadTokens ?? 0) > 400);
});

test("calls run at once in sessions of their own, and more wait for their turn", async (t) => {
  const { provider } = await openProvider(t);
  const model = provider("small");
  const running = [await endless(model), await endless(model)];
  const order: string[] = [];
  const waiting = ["one", "two", "three"].map(async (name) => {
    const { text } = await generateText({ model, prompt: name, providerOptions: says(name) });
    order.push(text);
  });
  const stopped = new AbortController();
  const reason = new Error("not needed");
  const given = generateText({ model, prompt: "four", abortSignal: stopped.signal, maxRetries: 0 });
  stopped.abort(reason);
  t.is(await t.throwsAsync(given), reason);
  t.deepEqual(order, []);
  running[0]?.controller.abort();
  await Promise.all(waiting);
  t.deepEqual(order, ["one", "two", "three"]);
  running[1]?.controller.abort();
  for (const { stream } of running) await drain(stream);

  const texts = await Promise.all(
    Array.from(
      { length: 6 },
      async (_, i) => (await generateText({ model, prompt: `${i}`, providerOptions: says(`n${i}`) })).text,
    ),
  );
  t.deepEqual(texts, ["n0", "n1", "n2", "n3", "n4", "n5"]);
});

test("an abort stops the native work, and streamText tells it", async (t) => {
  const { provider } = await openProvider(t, { maxSessions: 1 });
  const model = provider("small");
  const controller = new AbortController();
  const stream = streamText({
    model,
    prompt: "x",
    abortSignal: controller.signal,
    providerOptions: { overfill: { grammar: "root ::= [a-z]+" } },
  });
  const seen: string[] = [];
  for await (const part of stream.fullStream) {
    seen.push(part.type);
    if (part.type === "text-delta") controller.abort();
  }
  t.is(seen.at(-1), "abort");
  // A reader that leaves stops it as well: the only session is free for the next call.
  const { stream: left } = await endless(model);
  await left.cancel();
  t.is((await generateText({ model, prompt: "x", providerOptions: says("free") })).text, "free");
});

test("sessions that the app has taken itself are done without", async (t) => {
  const { pair, provider } = await openProvider(t);
  const model = provider("small");
  const say = async (prompt: string) =>
    (await generateText({ model, prompt, maxRetries: 0, providerOptions: says("ok") })).text;
  const own = [await pair.createSession(), await pair.createSession()];
  const first = say("nothing is left");
  const second = say("nor here");
  while (pair.metrics().waiting === 0) await immediate();
  // One waits for a session, the other for the first.
  t.is(pair.metrics().waiting, 1);
  await own.pop()?.dispose();
  t.deepEqual(await Promise.all([first, second]), ["ok", "ok"]);
  t.deepEqual(await Promise.all(["a ".repeat(300), "b ".repeat(300), "c ".repeat(300)].map(say)), ["ok", "ok", "ok"]);
  await own.pop()?.dispose();
  t.deepEqual(await Promise.all(["d ".repeat(300), "e ".repeat(300)].map(say)), ["ok", "ok"]);
  // Now the provider has both.
  t.is(pair.metrics().sessions, 2);
  const next = pair.createSession();
  t.is(pair.metrics().waiting, 1);
  await provider.dispose();
  await (await next).dispose();
});

test("a call that waits for a session of the app's is stopped by its signal and with the provider", async (t) => {
  const { pair, provider } = await openProvider(t, { maxSessions: 1 });
  const model = provider("small");
  const own = await pair.createSession();
  const controller = new AbortController();
  const reason = new Error("enough");
  const call = (abortSignal?: AbortSignal) =>
    generateText({
      model,
      prompt: "x",
      maxRetries: 0,
      providerOptions: says("ok"),
      ...(abortSignal && { abortSignal }),
    });
  const stopped = call(controller.signal);
  const next = call();
  while (pair.metrics().waiting === 0) await immediate();
  controller.abort(reason);
  t.is(await stopped.catch((error: unknown) => error), reason);
  // The next takes over the wait.
  while (pair.metrics().waiting === 0) await immediate();
  await provider.dispose();
  await refusal(t, "ERR_DISPOSED", next);
  t.like(pair.metrics(), { sessions: 1, waiting: 0 });
  await own.dispose();
});

test("a call for which there is no session fails by the pair's bounds, and the next one works", async (t) => {
  const { pair, provider } = await openProvider(t, { maxSessions: 1, queue: { maxWaiting: 1, timeoutMs: 20 } });
  const model = provider("small");
  const call = () => generateText({ model, prompt: "x", maxRetries: 0, providerOptions: says("ok") });
  const own = await pair.createSession();
  await refusal(t, "ERR_QUEUE_TIMEOUT", call());
  const waits = pair.createSession();
  await refusal(t, "ERR_QUEUE_FULL", call());
  await refusal(t, "ERR_QUEUE_TIMEOUT", waits);
  await own.dispose();
  t.is((await call()).text, "ok");
});

/** The tokens that a prompt has in the template of a model. */
async function promptTokens(model: LanguageModel) {
  const { usage } = await generateText({ model, prompt: "x ".repeat(300), providerOptions: says("ok") });
  return { total: usage.inputTokens, held: usage.inputTokenDetails.cacheReadTokens };
}

test("models with one pair and templates of their own share its sessions", async (t) => {
  const { pair } = await openProvider(t, { maxSessions: 1 });
  const plain = "{% for message in messages %}{{ message.content }}\n{% endfor %}";
  await using provider = createOverfill({
    models: { tools: { pair, template: toolTemplate }, plain: { pair, template: plain } },
  });
  const first = await promptTokens(provider("tools"));
  const other = await promptTokens(provider("plain"));
  t.true((other.total ?? 0) < (first.total ?? 0));
  t.is(other.held, 0);
  t.deepEqual((await promptTokens(provider("plain"))).total, other.total);
});

test("maxSessions leaves the rest of the pair's sessions alone", async (t) => {
  const { pair } = await openProvider(t);
  await using provider = createOverfill({ models: { small: { pair, template: toolTemplate } }, maxSessions: 1 });
  const model = provider("small");
  await Promise.all([1, 2, 3].map((i) => generateText({ model, prompt: `${i}`, providerOptions: says("ok") })));
  await using session = await pair.createSession();
  t.false(session.disposed);
});

test("disposing stops what runs and what waits, leaves the pair, and comes twice without harm", async (t) => {
  const { pair, provider } = await openProvider(t, { maxSessions: 1 });
  const model = provider("small");
  const { stream } = await endless(model);
  const waiting = refusal(t, "ERR_DISPOSED", generateText({ model, prompt: "x", maxRetries: 0 }));
  const parts: unknown[] = [];
  const reading = (async () => {
    for await (const part of stream) parts.push(part);
  })();
  await provider.dispose();
  await provider.dispose();
  await Promise.all([waiting, reading]);
  const [failure, finish] = parts.slice(-2);
  t.like(failure, { type: "error", error: { code: "ERR_DISPOSED" } });
  t.like(finish, { type: "finish", finishReason: { unified: "error" } });
  await refusal(t, "ERR_DISPOSED", generateText({ model, prompt: "x", maxRetries: 0 }));
  await (await pair.createSession()).dispose();
});
