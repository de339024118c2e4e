/** An answer of a chat: its parts as they come, the whole, how it is stopped, and what becomes of the chat then. */

import test from "ava";
import type { ChatPart, OverfillError } from "../../lib/index.js";
import { refusal, turns } from "../engine/fixtures.js";
import { chatPair, read, runs, says, told, types } from "./fixtures.js";

test.serial("an answer comes in parts that add up to the whole, and the chat keeps it", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ system: "Be brief." });
  const said = "Good day — 🙂 how are you? ".repeat(8).trim();
  says(said);
  const answer = await read(chat.send("Hello"));
  t.is(answer.text, said);
  t.is(told(answer.parts, "text"), answer.text);
  t.true(answer.parts.filter(({ type }) => type === "text").length > 1);
  t.deepEqual(types(answer.parts), ["text", "finish-step", "finish"]);
  t.is(answer.finishReason, "stop");
  t.is(answer.reasoning, "");
  t.deepEqual(answer.toolCalls, []);
  t.deepEqual(answer.messages, [{ role: "assistant", content: answer.text }]);
  t.deepEqual(chat.messages, [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello" },
    { role: "assistant", content: answer.text },
  ]);
  const [step] = answer.steps;
  t.deepEqual(answer.usage, {
    promptTokens: step?.prefill.promptTokens ?? -1,
    completionTokens: step?.decode.tokens ?? -1,
    ...{ cachedTokens: 0, refreshedTokens: 0, reasoningTokens: 0 },
  });
});

test.serial("reasoning is told apart from the text, with its tokens, and goes back into the chat", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("<think>\nLet me see.\n</think>\n\nFour.", "Still four.");
  const answer = await read(chat.send("2 + 2?"));
  t.is(answer.reasoning.trim(), "Let me see.");
  t.is(answer.text.trim(), "Four.");
  t.is(told(answer.parts, "reasoning"), answer.reasoning);
  t.is(told(answer.parts, "text"), answer.text);
  t.deepEqual(types(answer.parts), ["reasoning", "text", "finish-step", "finish"]);
  const { reasoningTokens, completionTokens } = answer.usage;
  t.true(reasoningTokens > 0 && reasoningTokens < completionTokens, `${reasoningTokens} of ${completionTokens}`);
  t.deepEqual(chat.messages.at(-1), {
    role: "assistant",
    content: [
      { type: "reasoning", text: answer.reasoning },
      { type: "text", text: answer.text },
    ],
  });
  t.is((await read(chat.send("Sure?"))).text, "Still four.");
});

test.serial("`finished` needs no reader, and a second iteration is refused", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("Unread.");
  const stream = chat.send("Hello");
  t.is((await stream.finished).text, "Unread.");
  const parts: ChatPart[] = [];
  for await (const part of stream) parts.push(part);
  t.is(told(parts, "text"), "Unread.");
  await refusal(t, "ERR_STREAM_CONSUMED", async () => {
    for await (const part of stream) t.fail(part.type);
  });
});

test.serial("one answer runs at a time", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("First.", "Second.");
  const first = chat.send("Hello");
  for (const attempt of [
    () => chat.send("Again"),
    () => chat.continue(),
    () => chat.undo(),
    () => chat.setMessages([]),
  ])
    await refusal(t, attempt.toString().includes("continue") ? "ERR_STAGE_ORDER" : "ERR_SESSION_BUSY", attempt);
  t.is((await first.finished).text, "First.");
  t.is((await chat.send("Again").finished).text, "Second.");
});

test.serial("an abort while the prompt is read ends the answer with nothing, and the chat is as it was", async (t) => {
  const pair = await chatPair(t, { batchSize: 8, maxSessions: 2 });
  await using chat = pair.chat({
    history: [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
    ],
  });
  const before = chat.messages;
  const controller = new AbortController();
  const reason = new Error("enough");
  const stream = chat.send("x".repeat(3000), { signal: controller.signal });
  await turns(pair, 1);
  controller.abort(reason);
  const thrown: unknown = await read(stream).catch((error: unknown) => error);
  t.is(thrown, reason);
  const answer = await stream.finished;
  t.is(answer.finishReason, "abort");
  t.deepEqual([answer.text, answer.steps.length, answer.messages.length], ["", 0, 0]);
  t.deepEqual(chat.messages, before);
  says("Fine.");
  t.is((await read(chat.send("And now?"))).text, "Fine.");
});

test.serial("an abort before the answer begins is the same", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const stream = chat.send("Hello", { signal: AbortSignal.abort("no") });
  t.is((await stream.finished).finishReason, "abort");
  t.deepEqual(chat.messages, []);
  t.is(await read(stream).catch((error: unknown) => error), "no");
});

for (const how of ["signal", "abort()", "leaving the loop"] as const) {
  test.serial(`stopped by ${how}, the chat keeps what was written, and goes on from there`, async (t) => {
    const pair = await chatPair(t);
    await using chat = pair.chat();
    const text = "one two three four ".repeat(60);
    says(text);
    const controller = new AbortController();
    const stream = chat.send("Count", { signal: controller.signal });
    let seen = "";
    const reading = (async () => {
      for await (const part of stream) {
        if (part.type === "text") seen += part.text;
        if (seen.length < 10) continue;
        if (how === "leaving the loop") break;
        if (how === "signal") controller.abort("stop");
        else stream.abort("stop");
      }
    })();
    const thrown: unknown = await reading.catch((error: unknown) => error);
    t.is(thrown, how === "leaving the loop" ? undefined : "stop");
    const answer = await stream.finished;
    t.is(answer.finishReason, "abort");
    t.true(text.startsWith(answer.text) && answer.text.startsWith(seen));
    t.true(answer.text.length < text.length);
    t.deepEqual(chat.messages, [
      { role: "user", content: "Count" },
      { role: "assistant", content: answer.text },
    ]);
    says("five");
    const rest = await read(chat.continue());
    t.is(rest.text, "five");
    t.deepEqual(chat.messages.at(-1), { role: "assistant", content: `${answer.text}five` });
  });
}

test.serial("an abort after the end changes nothing", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("Done.");
  const stream = chat.send("Hello");
  await stream.finished;
  stream.abort("late");
  t.is((await read(stream)).text, "Done.");
});

test.serial("disposed while it runs, a chat ends its answer and gives the session back", async (t) => {
  const pair = await chatPair(t, { maxSessions: 1 });
  const chat = pair.chat();
  const stream = chat.send("Hello", { maxTokens: 2000 });
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  await Promise.all([chat.dispose(), chat.dispose()]);
  t.is((await stream.finished).finishReason, "abort");
  const thrown: unknown = await (async () => {
    while (!(await iterator.next()).done);
  })().catch((error: unknown) => error);
  t.is((thrown as OverfillError).code, "ERR_DISPOSED");
  t.true(chat.disposed);
  await refusal(t, "ERR_DISPOSED", () => chat.send("Hello"));
  await using other = pair.chat();
  says("There is room.");
  t.is((await read(other.send("Hello"))).text, "There is room.");
});

test.serial("a pair disposed under an answer fails it", async (t) => {
  const pair = await chatPair(t);
  const chat = pair.chat();
  const stream = chat.send("Hello", { maxTokens: 2000 });
  await stream[Symbol.asyncIterator]().next();
  const failed = refusal(t, "ERR_DISPOSED", stream.finished);
  await pair.dispose();
  await failed;
  t.deepEqual(chat.messages, []);
  await chat.dispose();
});

test.serial("an answer that fails leaves the chat as it was, and the next one works", async (t) => {
  const pair = await chatPair(t, { maxSessions: 1, queue: { maxWaiting: 0 } });
  await using chat = pair.chat({ system: "Be brief." });
  const before = chat.messages;
  const session = await pair.createSession();
  await refusal(t, "ERR_QUEUE_FULL", chat.send("Hello").finished);
  await session.dispose();
  await refusal(t, "ERR_GRAMMAR_INVALID", chat.send("Hello", { grammar: "root ::= (" }).finished);
  await refusal(t, "ERR_CONTEXT_OVERFLOW", chat.send("x".repeat(5000)).finished);
  t.deepEqual(chat.messages, before);
  says("Now it does.");
  t.is((await read(chat.send("Hello"))).text, "Now it does.");
});

test.serial("limits, stop strings, grammars and log-probabilities are those of decode", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const short = await read(chat.send("Hello", { maxTokens: 5, logProbs: 2 }));
  t.is(short.finishReason, "length");
  t.is(short.usage.completionTokens, 5);
  t.is(short.logProbs?.length, 5);
  t.is(short.logProbs?.[0]?.top.length, 2);
  says("one, two, three");
  const stopped = await read(chat.send("Count", { stop: ", three", priority: -3 }));
  t.is(runs.at(-1)?.priority, -3);
  t.deepEqual([stopped.text, stopped.finishReason], ["one, two", "stop"]);
  const held = await read(chat.send("Yes or no?", { grammar: 'root ::= "yes"' }));
  t.deepEqual([held.text, held.finishReason], ["yes", "stop"]);
  t.is(held.logProbs, undefined);
});

test.serial("a spent budget ends reasoning, and the answer goes on", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ reasoning: { budgetTokens: 4 } });
  await chat.send("Why?", { maxTokens: 1 }).finished;
  const { reasoningBudget } = runs.at(-1) ?? {};
  t.is(reasoningBudget?.tokens, 4);
  t.is(reasoningBudget?.startTags[0]?.trim(), "<think>");
  t.is(reasoningBudget?.endTags[0]?.trim(), "</think>");
  t.false(reasoningBudget?.inside);
  await chat.send("Why?", { maxTokens: 1, reasoning: true }).finished;
  t.is(runs.at(-1)?.reasoningBudget, undefined);
});
