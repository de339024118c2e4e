/** Settings, the dial, and what of them is kept. */

import test from "ava";
import { choiceLabel, modelChoice, readPairs } from "../../../lib/server/page/browser/dial.js";
import {
  defaultSettings,
  readSettings,
  requestFields,
  settingsFault,
} from "../../../lib/server/page/browser/settings.js";
import { createStore } from "../../../lib/server/page/browser/store.js";

const tool = { type: "function", function: { name: "weather", parameters: { type: "object" } } };

test("the dial is a part of the model's name", (t) => {
  t.deepEqual(modelChoice("small", "fast", 0.3), { model: "small:fast" });
  t.deepEqual(modelChoice("small", "exact", 0.3), { model: "small:exact" });
  t.deepEqual(modelChoice("small", "acceptance", 0.3), { model: "small:0.3" });
  t.deepEqual([choiceLabel("a", "exact", 0.3), choiceLabel("a", "acceptance", 0.3)], ["a, exact", "a, acceptance 0.3"]);
});

test("the pairs are the models' names, without those that only add a dial to another", (t) => {
  const data = ["a", "a:fast", "a:exact", "b:exact", "a", "qwen:0.5"].map((id) => ({ id, object: "model" }));
  t.deepEqual(
    readPairs({ object: "list", data }).map(({ name }) => name),
    ["a", "b:exact", "qwen:0.5"],
  );
  for (const odd of [undefined, null, {}, { data: 3 }, { data: [null, {}, { id: 7 }] }])
    t.deepEqual(readPairs(odd), []);
});

test("a request has only what was set", (t) => {
  t.deepEqual(requestFields({ ...defaultSettings, pair: "small" }), { model: "small:fast" });
  const all = { ...defaultSettings, pair: "small", temperature: "0", maxTokens: " 64 ", tools: JSON.stringify([tool]) };
  t.deepEqual(requestFields(all), { model: "small:fast", temperature: 0, max_completion_tokens: 64, tools: [tool] });
});

for (const [field, value, words] of [
  ["temperature", "warm", "Temperature"],
  ["temperature", "2.5", "Temperature"],
  ["maxTokens", "0", "Longest answer"],
  ["maxTokens", "1.5", "Longest answer"],
  ["tools", "{", "no JSON"],
  ["tools", "{}", "a list is expected"],
  ["tools", JSON.stringify([tool, { type: "function" }]), "entry 2"],
] as const) {
  test(`${field} ${JSON.stringify(value)} is a fault that is told of`, (t) => {
    t.true(settingsFault({ ...defaultSettings, [field]: value })?.includes(words));
  });
}

test("stored settings that are not what they should be are the defaults", (t) => {
  for (const odd of [undefined, null, 3, [], { dial: "wild", acceptance: 7, system: 4, pair: null }])
    t.deepEqual(readSettings(odd), defaultSettings);
  const stored = { ...defaultSettings, pair: "b", dial: "acceptance", acceptance: 0.5, system: "x" };
  t.deepEqual(readSettings(JSON.parse(JSON.stringify(stored))) as unknown, stored);
});

function fakeStorage() {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (name: string) => items.get(name) ?? null,
    removeItem: (name: string) => void items.delete(name),
    setItem: (name: string, value: string) => void items.set(name, value),
  };
}

test("a new page finds what was stored, and an answer that was being written then counts as stopped", (t) => {
  const storage = fakeStorage();
  const store = createStore(storage);
  store.key = "secret";
  store.settings = { ...defaultSettings, pair: "b" };
  store.messages = [{ role: "assistant", state: "streaming", model: "b", text: "Go", reasoning: "", toolCalls: [] }];
  const again = createStore(storage);
  t.is(again.key, "secret");
  t.is(again.settings.pair, "b");
  t.like(again.messages, [{ state: "stopped", text: "Go" }]);
});

test("the page works where the browser stores nothing, or no more", (t) => {
  const full = fakeStorage();
  const message = { role: "user", text: "Hello" } as const;
  createStore(full).messages = [message];
  full.setItem = () => {
    throw new Error("quota exceeded");
  };
  for (const store of [createStore(undefined), createStore(full)]) {
    store.messages = [message, message];
    store.key = "k";
    t.is(store.messages.length, 2);
    t.is(store.key, "k");
  }
  t.is(createStore(full).messages.length, 0, "nothing older than what is shown stays stored");
  full.items.set("overfill.settings", "{broken");
  t.deepEqual(createStore(full).settings, defaultSettings);
});
