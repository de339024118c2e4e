/** Taking back and changing what was said: the chat goes on from there, and what stands before is not read again. */

import test, { type ExecutionContext } from "ava";
import { expectTypeOf } from "expect-type";
import type { Chat, ChatAnswer, ChatInput, ChatStream, ModelMessage, Pair, SendOptions } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { call, chatPair, prompts, read, says } from "./fixtures.js";

const user = (content: string) => ({ role: "user", content }) as const;
const assistant = (content: string) => ({ role: "assistant", content }) as const;
const system = { role: "system", content: "Be brief." } as const;

const tools = { look: { inputSchema: { type: "object", properties: {} }, execute: () => "clear" } } as const;

/** How much the last two prompts have in common. */
function commonTokens(): number {
  const [before = [], after = []] = prompts.slice(-2);
  const at = after.findIndex((token, i) => token !== before[i]);
  return at < 0 ? after.length : at;
}

/** The answer's first step kept what it has in common with the prompt before, and read the rest once. */
function readsWhatIsNew(t: ExecutionContext, { steps, usage }: ChatAnswer): void {
  const prefill = steps[0]?.prefill;
  const common = commonTokens();
  t.true(common > 0);
  t.like(prefill, { keptTokens: common, refreshedTokens: 0, promptTokens: (prompts.at(-1)?.length ?? 0) - common });
  t.is(usage.cachedTokens, common);
}

/** What a new chat with the same messages reads. */
async function sameAsNew(t: ExecutionContext, pair: Pair, history: readonly ModelMessage[]): Promise<void> {
  const found = prompts.at(-1);
  await using fresh = pair.chat({ history });
  says("Yes.");
  await read(fresh.send());
  t.deepEqual(found, prompts.at(-1));
}

const talk = async (t: ExecutionContext, answers: readonly string[] = ["One.", "Two."]) => {
  const pair = await chatPair(t, { maxSessions: 2 });
  const chat = pair.chat({ system: system.content });
  t.teardown(() => chat.dispose());
  says(...answers);
  await read(chat.send("first"));
  await read(chat.send("second one"));
  return { pair, chat };
};

test.serial("undo() gives what it takes back, and the next answer reads only what is new", async (t) => {
  const { chat } = await talk(t);
  t.deepEqual(chat.undo(), [user("second one"), assistant("Two.")]);
  t.deepEqual(chat.messages, [system, user("first"), assistant("One.")]);
  says("Three.");
  readsWhatIsNew(t, await read(chat.send("second two")));
  t.deepEqual(chat.undo(), [user("second two"), assistant("Three.")]);
  t.deepEqual(chat.undo(), [user("first"), assistant("One.")]);
  t.is(chat.undo(), undefined);
  t.deepEqual(chat.messages, [system]);
});

test.serial("the user's last message is changed and answered again", async (t) => {
  const { pair, chat } = await talk(t);
  t.deepEqual(chat.edit(3, "second two"), [user("second one"), assistant("Two.")]);
  t.deepEqual(chat.messages, [system, user("first"), assistant("One."), user("second two")]);
  says("Three.");
  const answer = await read(chat.send());
  readsWhatIsNew(t, answer);
  t.deepEqual(answer.messages, [assistant("Three.")]);
  t.deepEqual(chat.messages, [system, user("first"), assistant("One."), user("second two"), assistant("Three.")]);
  await sameAsNew(t, pair, chat.messages.slice(0, -1));
});

test.serial("an earlier message is changed, and what followed is gone", async (t) => {
  const { pair, chat } = await talk(t);
  t.is(chat.edit(1, user("first of all")).length, 4);
  says("Other.");
  readsWhatIsNew(t, await read(chat.send()));
  t.deepEqual(chat.messages, [system, user("first of all"), assistant("Other.")]);
  await sameAsNew(t, pair, chat.messages.slice(0, -1));
});

test.serial("an answer is written again after edit() with the same message", async (t) => {
  const { chat } = await talk(t);
  chat.edit(3, "second one");
  says("Something else.");
  const answer = await read(chat.send());
  t.is(answer.text, "Something else.");
  t.is(answer.steps[0]?.prefill.keptTokens, (prompts.at(-1)?.length ?? 0) - 1);
});

test.serial("the system's message is changed, and the chat begins anew", async (t) => {
  const { chat } = await talk(t);
  t.is(chat.edit(0, "Be long.").length, 5);
  t.deepEqual(chat.messages, [{ role: "system", content: "Be long." }]);
  await refusal(t, "ERR_STAGE_ORDER", () => chat.send());
  says("At length.");
  readsWhatIsNew(t, await read(chat.send("first")));
  t.is(chat.messages.length, 3);
});

test.serial("an answer is changed, and gone on with or replied to", async (t) => {
  const { pair, chat } = await talk(t);
  t.deepEqual(chat.edit(4, "Two, three"), [assistant("Two.")]);
  await refusal(t, "ERR_STAGE_ORDER", () => chat.send());
  says(", four.");
  t.true((await read(chat.continue())).usage.cachedTokens > 0);
  t.deepEqual(chat.messages.at(-1), assistant("Two, three, four."));
  chat.edit(4, assistant("Four."));
  says("Five.");
  await read(chat.send("third"));
  await sameAsNew(t, pair, chat.messages.slice(0, -1));
});

test.serial("messages are changed before the chat has a session", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ history: [user("a"), assistant("b"), user("c"), assistant("d")] });
  t.deepEqual(chat.undo(), [user("c"), assistant("d")]);
  t.deepEqual(chat.edit(0, "e"), [user("a"), assistant("b")]);
  t.is(pair.metrics().sessions, 0);
  says("Fine.");
  await read(chat.send());
  t.deepEqual(chat.messages, [user("e"), assistant("Fine.")]);
});

test.serial("the index counts the messages that are left after turns were dropped", async (t) => {
  const pair = await chatPair(t, { contextSize: 1024 });
  const long = "word ".repeat(120);
  const history = [1, 2, 3].flatMap((n) => [user(`${n} ${long}`), assistant("A")]);
  await using chat = pair.chat({ system: system.content, history, overflow: "drop-oldest" });
  says("Fine.");
  t.is((await read(chat.send("And?"))).droppedMessages, 2);
  t.deepEqual(chat.edit(5, "And then?"), [user("And?"), assistant("Fine.")]);
  says("Good.");
  readsWhatIsNew(t, await read(chat.send()));
  t.deepEqual(chat.messages.slice(1), [...history.slice(2), user("And then?"), assistant("Good.")]);
});

test.serial("a turn with tools is taken back whole, and a tool's result is changed and answered", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools });
  says("Hello.", call("look", {}), "It is clear.");
  await read(chat.send("Hello"));
  await read(chat.send("How is it?"));
  const [, , , calls, result] = chat.messages;
  t.deepEqual(
    chat.messages.map(({ role }) => role),
    ["user", "assistant", "user", "assistant", "tool", "assistant"],
  );
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.edit(4, "rain"));
  await refusal(t, "ERR_INVALID_ARGUMENT", () =>
    chat.edit(2, { role: "tool", content: result?.role === "tool" ? result.content : [] }),
  );
  t.is(chat.messages.length, 6);
  const part = result?.role === "tool" ? result.content[0] : undefined;
  t.truthy(part);
  if (part) chat.edit(4, { role: "tool", content: [{ ...part, output: "rain" }] });
  says("It rains.");
  readsWhatIsNew(t, await read(chat.send()));
  t.deepEqual(chat.messages.at(-1), assistant("It rains."));
  t.is(chat.undo()?.length, 4);
  t.deepEqual(chat.messages, [user("Hello"), assistant("Hello.")]);
  says("Nothing.");
  readsWhatIsNew(t, await read(chat.send("And now?")));
  t.is(calls?.role, "assistant");
});

test.serial("while an answer runs, and after the end, nothing is taken back or changed", async (t) => {
  const { chat } = await talk(t);
  says("Three.");
  const stream = chat.send("third");
  await refusal(t, "ERR_SESSION_BUSY", () => chat.edit(1, "x"));
  await refusal(t, "ERR_SESSION_BUSY", () => chat.undo());
  await refusal(t, "ERR_SESSION_BUSY", () => chat.send());
  await read(stream);
  t.is(chat.messages.length, 7);
  await chat.dispose();
  await refusal(t, "ERR_DISPOSED", () => chat.edit(1, "x"));
  await refusal(t, "ERR_DISPOSED", () => chat.undo());
  await refusal(t, "ERR_DISPOSED", () => chat.send());
});

test.serial("an index that is none and a message that is none are refused and change nothing", async (t) => {
  const pair = await chatPair(t);
  await using empty = pair.chat();
  await refusal(t, "ERR_INVALID_ARGUMENT", () => empty.edit(0, "x"));
  await refusal(t, "ERR_STAGE_ORDER", () => empty.send());
  const history = [user("a"), assistant("b")];
  await using chat = pair.chat({ history });
  for (const index of [-1, 2, 0.5, Number.NaN, "0", undefined, null, 2 ** 40]) {
    const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.edit(index as number, "x"));
    t.is(details.parameter, "index");
  }
  for (const message of [undefined, null, 5, [], [user("x")], { role: "user" }, { role: "friend", content: "x" }])
    await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.edit(0, message as never));
  t.deepEqual(chat.messages, history);
  const controller = new AbortController();
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send({ signal: controller.signal } as never));
});

test.serial("an answer to a changed message that fails or is stopped leaves the message", async (t) => {
  const { pair, chat } = await talk(t);
  chat.edit(3, "second two");
  const edited = chat.messages;
  await refusal(t, "ERR_GRAMMAR_INVALID", chat.send(undefined, { grammar: "root ::= (" }).finished);
  t.deepEqual(chat.messages, edited);
  const stopped = await chat.send(undefined, { signal: AbortSignal.abort("no") }).finished;
  t.is(stopped.finishReason, "abort");
  t.deepEqual(chat.messages, edited);
  says("Three.");
  await read(chat.send());
  t.deepEqual(chat.messages, [...edited, assistant("Three.")]);
  await sameAsNew(t, pair, edited);
});

test.serial("an object may answer a changed message", async (t) => {
  const { chat } = await talk(t);
  chat.edit(3, "As a number.");
  says("12");
  const { object } = await read(chat.send(undefined, { schema: { type: "integer" } }));
  t.is(object, 12);
});

test("the calls have their types", (t) => {
  expectTypeOf<Chat["undo"]>().returns.toEqualTypeOf<readonly ModelMessage[] | undefined>();
  expectTypeOf<Chat["edit"]>().parameters.toEqualTypeOf<[number, string | ModelMessage]>();
  expectTypeOf<Chat["edit"]>().returns.toEqualTypeOf<readonly ModelMessage[]>();
  expectTypeOf<Chat["send"]>().toExtend<(message?: ChatInput, options?: SendOptions) => ChatStream>();
  t.pass();
});
