/** Chats in files: the messages and the session come back, and nothing is read again. */

import { join } from "node:path";
import test from "ava";
import type { ModelMessage } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { call, chatPair, read, says } from "./fixtures.js";

const weather = {
  description: "The weather at a place.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  execute: () => ({ sky: "clear", "°C": 21 }),
} as const;

test.serial("a restored chat has its messages, and reads only what is new", async (t) => {
  const pair = await chatPair(t, { maxSessions: 2 });
  const file = join(withTempDir(t), "a.chat");
  await using chat = pair.chat({ system: "Be brief.", tools: { weather } });
  says(call("weather", { city: "Graz" }), "Clear.");
  await read(chat.send("What is it like in Graz?"));
  await chat.save(file);
  await using twin = await pair.restoreChat(file, { tools: { weather } });
  t.deepEqual(twin.messages, chat.messages);

  says("Yes.", "Yes.");
  const [own, twins] = [await read(chat.send("Still?")), await read(twin.send("Still?"))];
  t.is(twins.text, "Yes.");
  t.deepEqual(twins.usage, own.usage);
  t.true(twins.usage.cachedTokens > 0);
  t.deepEqual(twin.messages, chat.messages);
});

test.serial("a chat without an answer can be saved, and one that answers cannot", async (t) => {
  const pair = await chatPair(t, { maxSessions: 2 });
  const file = join(withTempDir(t), "a.chat");
  const history: readonly ModelMessage[] = [{ role: "user", content: "Hello" }];
  await using chat = pair.chat({ history });
  await chat.save(file);
  await using twin = await pair.restoreChat(file);
  t.deepEqual(twin.messages, history);
  await twin.dispose();
  t.is(pair.metrics().sessions, 1);
  says("One.");
  const stream = chat.send([
    { role: "assistant", content: "Hm." } as const,
    { role: "user", content: "What?" } as const,
  ]);
  await refusal(t, "ERR_SESSION_BUSY", chat.save(file));
  await read(stream);
});

test.serial("what JSON cannot say is refused, and so is what the file has", async (t) => {
  const pair = await chatPair(t, { maxSessions: 2 });
  const file = join(withTempDir(t), "a.chat");
  const unsayable = [
    { role: "user", content: "Hello" },
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "count", input: { n: 1n } }] },
  ] as const;
  await refusal(t, "ERR_INVALID_ARGUMENT", () => pair.chat({ history: unsayable }));
  await using chat = pair.chat();
  await chat.save(file);
  for (const options of [
    { system: "No." },
    { history: [] },
    { writer: "decode" },
    { cacheKey: "ann" },
    { maxSteps: 0 },
  ])
    await refusal(t, "ERR_INVALID_ARGUMENT", pair.restoreChat(file, options as never));
  await refusal(t, "ERR_FILE_READ_FAILED", pair.restoreChat(`${file}.none`));
  t.is(pair.metrics().sessions, 1);
  await using session = await pair.restore(file);
  t.is(session.stats().stage, "empty");
});
