/** What can be done with a conversation, without a page. */

import test from "ava";
import { type Api, RequestFailure } from "../../../lib/server/page/browser/api.js";
import { type Change, Conversation } from "../../../lib/server/page/browser/conversation.js";
import type { Message } from "../../../lib/server/page/browser/messages.js";
import { createStore, type Store } from "../../../lib/server/page/browser/store.js";
import { delta, figures, finish } from "./chunks.js";

type Body = Readonly<Record<string, unknown>>;
type Script = (body: Body, signal: AbortSignal) => AsyncIterable<unknown>;

const models = { data: [{ id: "small" }, { id: "large" }] };

async function* says(...texts: readonly string[]): AsyncGenerator<unknown> {
  for (const content of texts) yield delta({ content });
  yield finish("stop");
  yield figures();
}

/** Says `text`, and then nothing more until it is aborted. */
const saysAndWaits = (text: string): Script =>
  async function* (_, signal) {
    yield delta({ content: text });
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };

interface Given {
  readonly store?: Store;
  readonly api?: Partial<Api>;
}

async function open(script: Script, { store = createStore(undefined), api = {} }: Given = {}) {
  const bodies: Body[] = [];
  const changes: Change[] = [];
  let time = 0;
  const conversation = new Conversation({
    api: {
      models: async () => models,
      answer: (body, signal) => {
        bodies.push(body);
        return script(body, signal);
      },
      ...api,
    },
    store,
    onChange: (change) => changes.push(change),
    now: () => (time += 10),
  });
  await conversation.connect();
  return { conversation, bodies, changes, store };
}

const texts = (messages: readonly Message[]) => messages.map(({ role, text }) => `${role}: ${text}`);

test("the first pair is chosen, and the one that was chosen before stays if the server still has it", async (t) => {
  const { conversation, store } = await open(() => says());
  t.deepEqual([conversation.connection, conversation.settings.pair], ["ready", "small"]);
  conversation.change({ pair: "large" });
  t.is((await open(() => says(), { store })).conversation.settings.pair, "large");
  store.settings = { ...store.settings, pair: "gone" };
  t.is((await open(() => says(), { store })).conversation.settings.pair, "small");
});

test("a message is sent with all before it, and its answer grows", async (t) => {
  const { conversation, bodies, changes } = await open(() => says("Good", " day."));
  conversation.change({ dial: "exact", system: "Be brief." });
  t.true(await conversation.send("Hello"));
  t.true(await conversation.send("And?"));
  t.deepEqual(texts(conversation.messages), [
    "user: Hello",
    "assistant: Good day.",
    "user: And?",
    "assistant: Good day.",
  ]);
  t.like(conversation.messages.at(-1), { state: "done", model: "small, exact", figures: { writtenTokens: 90 } });
  t.like(bodies[1], {
    model: "small:exact",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Good day." },
      { role: "user", content: "And?" },
    ],
  });
  t.true(changes.filter((change) => change === "answer").length >= 4);
  t.is(conversation.answeringMs, undefined);
});

test("nothing is sent while an answer is being written, without words, or with settings that are wrong", async (t) => {
  const { conversation, bodies } = await open(saysAndWaits("Go"));
  t.false(await conversation.send("  "));
  conversation.change({ temperature: "hot" });
  t.false(await conversation.send("Hello"));
  t.regex(conversation.notice ?? "", /Temperature/);
  conversation.change({ temperature: "" });
  const first = conversation.send("Hello");
  t.is(conversation.notice, undefined);
  t.false(await conversation.send("Me too"));
  conversation.stop();
  await first;
  t.is(bodies.length, 1);
});

test("stopping aborts the request at once and keeps what there is", async (t) => {
  let signal: AbortSignal | undefined;
  const { conversation } = await open((body, given) => {
    signal = given;
    return saysAndWaits("Once upon")(body, given);
  });
  const answer = conversation.send("Tell me a story");
  while (conversation.messages.at(-1)?.text !== "Once upon") await Promise.resolve();
  conversation.stop();
  t.true(signal?.aborted);
  t.like(conversation.messages.at(-1), { state: "stopped", text: "Once upon" });
  await answer;
  t.like(conversation.messages.at(-1), { state: "stopped", text: "Once upon" });
});

test("a chunk that still comes after a stop adds nothing to what follows", async (t) => {
  let goOn = () => {};
  const late: Script = async function* () {
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    yield delta({ content: "late" });
  };
  let isFirst = true;
  const { conversation } = await open((body, signal) => {
    if (!isFirst) return says("new");
    isFirst = false;
    return late(body, signal);
  });
  const first = conversation.send("Hello");
  await Promise.resolve();
  conversation.stop();
  await conversation.send("Again");
  goOn();
  await first;
  t.deepEqual(texts(conversation.messages), ["user: Hello", "assistant: ", "user: Again", "assistant: new"]);
});

test("editing replaces a message and all behind it, also while an answer is being written", async (t) => {
  let wait = false;
  const { conversation, bodies } = await open((body, signal) => (wait ? saysAndWaits("x")(body, signal) : says("ok")));
  await conversation.send("one");
  wait = true;
  const second = conversation.send("two");
  wait = false;
  await conversation.resend(0, "uno");
  await second;
  t.deepEqual(texts(conversation.messages), ["user: uno", "assistant: ok"]);
  t.deepEqual(bodies.at(-1)?.messages, [{ role: "user", content: "uno" }]);
});

test("an answer can be written anew", async (t) => {
  let count = 0;
  const { conversation } = await open(() => says(`answer ${++count}`));
  await conversation.send("one");
  await conversation.send("two");
  await conversation.retry(1);
  t.deepEqual(texts(conversation.messages), ["user: one", "assistant: answer 3"]);
});

test("calls wait for results, which the next request has", async (t) => {
  const call = { index: 0, id: "a", type: "function", function: { name: "weather", arguments: "{}" } };
  async function* calls(): AsyncGenerator<unknown> {
    yield delta({ tool_calls: [call] });
    yield finish("tool_calls");
  }
  const script: Script = ({ messages }) => ((messages as unknown[]).length === 1 ? calls() : says("Dry."));
  const { conversation, bodies } = await open(script);
  await conversation.send("Rain?");
  t.false(await (await open(script)).conversation.giveResults({ a: "x" }));
  t.true(await conversation.giveResults({ a: "no rain" }));
  t.deepEqual(texts(conversation.messages), ["user: Rain?", "assistant: ", "tool: no rain", "assistant: Dry."]);
  t.like((bodies[1] as { readonly messages?: readonly unknown[] }).messages?.[2], {
    role: "tool",
    tool_call_id: "a",
    content: "no rain",
  });
});

test("how long the model thought before it spoke is told", async (t) => {
  const { conversation } = await open(async function* () {
    yield delta({ reasoning_content: "Hm." });
    yield delta({ content: "Yes." });
    yield delta({ content: " Indeed." });
    yield finish("stop");
  });
  await conversation.send("Well?");
  const [, answer] = conversation.messages;
  t.is(answer?.role === "assistant" && answer.reasoningMs, 10);
});

test("a failure stays with the answer that it ended, and what was written stays", async (t) => {
  const { conversation } = await open(async function* () {
    yield delta({ content: "Half" });
    throw new RequestFailure("The context is full.", 200);
  });
  t.true(await conversation.send("Hello"));
  t.like(conversation.messages.at(-1), { state: "failed", text: "Half", error: "The context is full." });
  t.is(conversation.connection, "ready");
});

test("a server that asks for a key gets it, and says so if it is the wrong one", async (t) => {
  const store = createStore(undefined);
  const asked = async () => {
    if (store.key !== "right") throw new RequestFailure("a key is needed", 401);
    return models;
  };
  const { conversation } = await open(() => says("ok"), { store, api: { models: asked } });
  t.deepEqual([conversation.connection, conversation.notice], ["locked", undefined]);
  await conversation.unlock("wrong");
  t.deepEqual([conversation.connection, conversation.notice], ["locked", "The server does not accept this API key."]);
  t.false(await conversation.send("Hello"));
  await conversation.unlock(" right ");
  t.deepEqual([conversation.connection, conversation.notice], ["ready", undefined]);
});

test("a key that no longer holds locks the page in the middle of a conversation", async (t) => {
  const { conversation } = await open(async function* () {
    yield* [];
    throw new RequestFailure("a key is needed", 401);
  });
  await conversation.send("Hello");
  t.is(conversation.connection, "locked");
  t.like(conversation.messages.at(-1), { state: "failed", error: "a key is needed" });
});

test("a server that cannot be reached, or has no models, is told of", async (t) => {
  const none = await open(() => says(), { api: { models: async () => ({ data: [] }) } });
  t.deepEqual([none.conversation.notice, none.conversation.connection], ["The server has no models.", "ready"]);
  t.false(await none.conversation.send("Hello"));
  const gone = await open(() => says(), { api: { models: () => Promise.reject(new RequestFailure("Gone.", 0)) } });
  t.deepEqual([gone.conversation.notice, gone.conversation.connection], ["Gone.", "unreachable"]);
});

test("a new conversation stops the old one and forgets it", async (t) => {
  const { conversation, store } = await open(saysAndWaits("x"));
  const answer = conversation.send("Hello");
  conversation.clear();
  await answer;
  t.deepEqual([conversation.messages, store.messages], [[], []]);
});
