/** What of a request is heard, beside what a model's template and its defaults say. */

import test, { type ExecutionContext } from "ava";
import type { Pair, PrefillOptions } from "../../lib/index.js";
import type { AnswerDefaults } from "../../lib/server/index.js";
import { serve } from "../../lib/server/index.js";
import { scriptedTemplate } from "../support/scripted-model.js";
import { askers, greeting, type Json, openScriptedPair, user, weather } from "./fixtures.js";

const chat = "/v1/chat/completions";

async function openModel(t: ExecutionContext, defaults: AnswerDefaults = {}, template?: string) {
  const pair = await openScriptedPair(t);
  const server = await serve({
    models: { small: { pair, defaults: { temperature: 0, ...defaults }, template } },
    port: 0,
  });
  t.teardown(() => server.close());
  return { pair, ...askers(server) };
}

const contentOf = ({ body }: { body: Json }) => body.choices[0].message.content;

test("a seed of -1 is none, also where the model has one by default", async (t) => {
  const warm = { temperature: 1000, topK: 0, topP: 1, minP: 0, maxTokens: 12, seed: 7 };
  const { json } = await openModel(t, warm);
  const said = async (more: object) => contentOf(await json(chat, { messages: user("Say x"), ...more }));
  const usual = await said({});
  t.is(await said({}), usual);
  const [a, b] = [await said({ seed: -1 }), await said({ seed: -1 })];
  t.not(a, b);
  t.not(a, usual);
  const prompt = "Say x";
  const raw = async (more: object) => (await json("/v1/completions", { prompt, ...more })).body.choices[0].text;
  t.is(await raw({}), await raw({}));
  t.not(await raw({ seed: -1 }), await raw({ seed: -1 }));
});

test("stops that the model has by default can be left out, and do not cut JSON", async (t) => {
  const { json } = await openModel(t, { stop: ["day", ":"], maxTokens: 200 });
  const ask = (more: object, prompt = greeting) => json(chat, { messages: user(prompt), ...more });
  t.is(contentOf(await ask({})), "Good ");
  t.is(contentOf(await ask({ stop: [] })), "Good day.");
  const schema = { type: "object", properties: { rain: { type: "boolean" } }, required: ["rain"] };
  const answer = await ask({ json_schema: schema }, "Will it rain");
  t.is(typeof JSON.parse(contentOf(answer)).rain, "boolean");
});

test("a tool's result may name its tool, and nothing else", async (t) => {
  const { json } = await openModel(t);
  const call = { id: "c1", type: "function", function: { name: "weather", arguments: "{}" } };
  const ask = (name: string) =>
    json(chat, {
      messages: [
        ...user("Ask for k"),
        { role: "assistant", tool_calls: [call] },
        { role: "tool", tool_call_id: "c1", content: "rain!", name },
      ],
      tools: [weather],
    });
  t.is(contentOf(await ask("weather")), "It rains.");
  const { status, body } = await ask("time");
  t.deepEqual([status, body.error.param], [400, "messages.2.name"]);
});

/** Says at the beginning what it was told of reasoning, and opens it. */
const reasoning = `{{- "effort:" + (reasoning_effort | default("none")) + eos_token }}${scriptedTemplate}
{%- if add_generation_prompt and enable_thinking is defined and not enable_thinking %}{{- "<think>\n\n</think>\n\n" }}{% endif %}`;

test("an effort goes to templates that know it, and reasoning is switched off where it can be", async (t) => {
  const { json } = await openModel(t, {}, reasoning);
  const shown = async (more: object) => json("/apply-template", { messages: user("Hi"), ...more });
  t.regex((await shown({ reasoning_effort: "high" })).body.prompt, /^effort:high/);
  const off = await shown({ reasoning_effort: "none" });
  t.is(off.status, 200, JSON.stringify(off.body));
  t.regex(off.body.prompt, /<think>\n\n<\/think>/);
  const plain = await openModel(t);
  for (const path of [chat, "/apply-template", "/v1/chat/completions/input_tokens"]) {
    const { status, body } = await plain.json(path, { messages: user("Hi"), reasoning_effort: "high" });
    t.deepEqual([status, body.error.param, body.error.code], [400, "reasoning_effort", "unsupported_parameter"], path);
  }
  const asResponse = await plain.json("/v1/responses", { input: "Hi", reasoning: { effort: "high" } });
  t.deepEqual([asResponse.status, asResponse.body.error.param], [400, "reasoning.effort"]);
});

test("what shows a chat refuses the formats that an answer to it would be refused for", async (t) => {
  const { json } = await openModel(t);
  const schema = { type: "string", pattern: "(?=a)" };
  const body = { messages: user("Hi"), response_format: { type: "json_schema", json_schema: { name: "x", schema } } };
  for (const path of [chat, "/apply-template", "/v1/chat/completions/input_tokens"]) {
    const told = await json(path, body);
    t.deepEqual([told.status, told.body.error?.param], [400, "response_format"], path);
  }
});

/** What a pair's sessions are asked to read from now on. */
function watched(pair: Pair): PrefillOptions[] {
  const seen: PrefillOptions[] = [];
  const create = pair.createSession.bind(pair);
  pair.createSession = async (options) => {
    const session = await create(options);
    const prefill = session.prefill.bind(session);
    session.prefill = (prompt, asked = {}) => {
      seen.push(asked);
      return prefill(prompt, asked);
    };
    return session;
  };
  return seen;
}

test("priority and determinism by default concern the prompt as well, of chats and of completions", async (t) => {
  const { json, pair } = await openModel(t, { deterministic: true, priority: 3 });
  const seen = watched(pair);
  await json(chat, { messages: user(greeting) });
  await json("/v1/completions", { prompt: greeting });
  t.deepEqual(
    seen.map(({ deterministic, priority }) => [deterministic, priority]),
    [
      [true, 3],
      [true, 3],
    ],
  );
});
