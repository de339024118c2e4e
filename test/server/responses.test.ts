/** `/v1/responses` by plain requests: the events and their order, items that come back, what is kept and for whom. */

import test from "ava";
import { toChatBody } from "../../lib/server/response-input.js";
import type { InputItem } from "../../lib/server/responses-schema.js";
import { dataOf, endless, greeting, type Json, openServer, user, weather } from "./fixtures.js";

const path = "/v1/responses";
const tools = [{ type: "function", ...weather.function }];

/** The types of events, neighbours of one type once. */
const typesOf = (events: readonly Json[]) =>
  events.map(({ type }) => type.replace("response.", "")).filter((type, i, all) => type !== all[i - 1]);

test("a stream has the events of the official client, numbered, of items that open and close", async (t) => {
  const { events } = await openServer(t);
  const told = await events(path, { input: "Think of r" });
  t.deepEqual(typesOf(told), [
    ...["created", "in_progress"],
    ...["output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done"],
    ...["content_part.done", "output_item.done"],
    ...["output_item.added", "content_part.added", "output_text.delta", "output_text.done"],
    ...["content_part.done", "output_item.done"],
    "completed",
  ]);
  t.deepEqual(
    told.map(({ sequence_number }) => sequence_number),
    [...told.keys()],
  );
  const { response } = told.at(-1);
  t.deepEqual(
    response.output.map(({ type }: Json) => type),
    ["reasoning", "message"],
  );
  t.is(response.output[1].content[0].text, "Good evening.");
  t.true(response.usage.output_tokens_details.reasoning_tokens > 0);
  const ofMessage = told.filter(({ item_id }) => item_id === response.output[1].id);
  t.is(
    ofMessage.map(({ type, delta = "" }) => (type === "response.output_text.delta" ? delta : "")).join(""),
    "Good evening.",
  );
});

test("a call streams as an item of its own, and its result goes on from there", async (t) => {
  const { events, json } = await openServer(t);
  const told = await events(path, { input: "Ask for k", tools });
  t.deepEqual(typesOf(told).slice(2), [
    ...["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"],
    "completed",
  ]);
  const { response } = told.at(-1);
  const [call] = response.output;
  t.deepEqual([call.name, JSON.parse(call.arguments), call.status], ["weather", { city: "Graz" }, "completed"]);
  // Stateless: all items come back as they were told.
  const output = { type: "function_call_output", call_id: call.call_id, output: "rain!" };
  const input = [{ role: "user", content: [{ type: "input_text", text: "Ask for k" }] }, call, output];
  t.is((await json(path, { input, tools, store: false })).body.output_text, "It rains.");
  const lost = await json(path, { input: [output], tools });
  t.deepEqual([lost.status, lost.body.error.param], [400, "input"]);
});

test("an answer that is cut short is incomplete, whole and in a stream", async (t) => {
  const { events, json } = await openServer(t);
  const asked = { input: endless, max_output_tokens: 3 };
  const { body } = await json(path, asked);
  t.deepEqual([body.status, body.incomplete_details], ["incomplete", { reason: "max_output_tokens" }]);
  t.is(body.output[0].status, "incomplete");
  t.is((await events(path, asked)).at(-1).type, "response.incomplete");
});

test("JSON keeps to a schema", async (t) => {
  const { json } = await openServer(t);
  const schema = { type: "object", properties: { rain: { type: "boolean" } }, required: ["rain"] };
  const text = { format: { type: "json_schema", name: "answer", schema, strict: true } };
  const { body } = await json(path, { input: "Will it rain", text, max_output_tokens: 300 });
  t.is(typeof JSON.parse(body.output_text).rain, "boolean");
});

test("what is kept is its key's only, goes with the longest unused, and has no instructions", async (t) => {
  const keys = ["first-secret-key", "second-secret-key"];
  const { json } = await openServer(t, { auth: { keys }, limits: { storedResponses: 2 } });
  const as = (key: number) => ({ headers: { "x-api-key": keys[key] as string } });
  const first = (await json(path, { input: greeting, instructions: "Be very brief and polite" }, as(0))).body;
  t.is((await json(`${path}/${first.id}`, undefined, as(1))).status, 404);
  const others = await json(path, { input: greeting, previous_response_id: first.id }, as(1));
  t.deepEqual([others.status, others.body.error.param], [404, "previous_response_id"]);
  const second = (await json(path, { input: greeting, previous_response_id: first.id }, as(0))).body;
  t.true(second.usage.input_tokens < first.usage.input_tokens + 60);
  await json(path, { input: greeting }, as(0));
  t.is((await json(`${path}/${first.id}`, undefined, as(0))).status, 404);
  t.is((await json(`${path}/${second.id}`, undefined, as(0))).status, 200);
});

test("a failure in the midst of a stream is numbered as the events before it", async (t) => {
  const { ask, server } = await openServer(t);
  const response = await ask(path, { input: endless, stream: true });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader?.read())?.value ?? "";
  const disposed = server.handler.dispose();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) text += next.value;
  await disposed;
  const told = dataOf(text);
  t.deepEqual([told.at(-1).type, told.at(-1).code], ["error", "stopping"]);
  t.deepEqual(
    told.map(({ sequence_number }) => sequence_number),
    [...told.keys()],
  );
});

test("several items of reasoning before an answer are all its reasoning", async (t) => {
  const reasoning = (text: string): InputItem => ({
    ...{ type: "reasoning", summary: [], content: [{ type: "reasoning_text", text }] },
  });
  const call = (name: string): InputItem => ({ type: "function_call", call_id: name, name, arguments: "{}" });
  const messagesOf = (...items: InputItem[]) =>
    toChatBody({ input: [{ role: "user", content: "x" }, ...items] }, []).messages.slice(1);
  t.like(messagesOf(reasoning("one"), reasoning("two"), { role: "assistant", content: "said" }), [
    { reasoning_content: "one\ntwo", content: "said" },
  ]);
  t.like(messagesOf(reasoning("one"), call("a"), reasoning("two"), call("b")), [
    { reasoning_content: "one\ntwo", tool_calls: [{ id: "a" }, { id: "b" }] },
  ]);
  const twice = messagesOf(
    ...[reasoning("one"), { role: "assistant", content: "said" } as const],
    ...[reasoning("two"), { role: "assistant", content: "more" } as const],
  );
  t.like(twice, [
    { reasoning_content: "one", content: "said" },
    { reasoning_content: "two", content: "more" },
  ]);
});

test("what is kept is bounded by its bytes, and by key", async (t) => {
  const keys = ["first-secret-key", "second-secret-key"];
  const { json } = await openServer(t, { auth: { keys }, limits: { storedBytes: 4000 } });
  const as = (key: number) => ({ headers: { "x-api-key": keys[key] as string } });
  const ask = async (key: number, input = greeting) => (await json(path, { input }, as(key))).body.id;
  const found = async (id: string, key: number) => (await json(`${path}/${id}`, undefined, as(key))).status === 200;
  const [mine, others] = [await ask(0), await ask(1)];
  t.deepEqual([await found(mine, 0), await found(others, 1)], [true, true]);
  // Long ones take the place of what was kept before, but only of their own key.
  const long = await ask(0, `${"word ".repeat(120)}${greeting}`);
  const longer = await ask(0, `${"words ".repeat(120)}${greeting}`);
  t.deepEqual([await found(mine, 0), await found(long, 0), await found(others, 1)], [false, false, true]);
  t.true(await found(longer, 0));
});

test("what a response cannot do is refused by name", async (t) => {
  const { json, ask } = await openServer(t);
  for (const [more, param] of [
    [{ input: [] }, "input"],
    [{ input: [{ type: "item_reference", id: "x" }] }, "input.0.type"],
    [{ input: [{ role: "user", content: [{ type: "input_image", image_url: "x" }] }] }, "input.0.content.0.type"],
    [{ background: true }, "background"],
    [{ conversation: "x" }, "conversation"],
    [{ include: ["reasoning.encrypted_content"] }, "include"],
    [{ truncation: "auto" }, "truncation"],
    [{ tools: [{ type: "web_search" }] }, "tools.0.type"],
    [{ tool_choice: "required" }, "tool_choice"],
  ] as readonly (readonly [object, string])[]) {
    const { status, body } = await json(path, { input: "x", ...more });
    t.deepEqual([status, body.error.param], [400, param], JSON.stringify(body));
  }
  const unknown = await json(path, { input: "x", previous_response_id: "resp_x" });
  t.deepEqual([unknown.status, unknown.body.error.code], [404, "response_not_found"]);
  const long = await ask(path, { input: user("What is the best book ".repeat(500)), stream: true });
  t.is(long.status, 400);
  t.is(((await long.json()) as Json).error.param, "input");
  const pattern = { type: "json_schema", name: "x", schema: { type: "string", pattern: "(?=a)" } };
  t.is((await json(path, { input: "x", text: { format: pattern } })).body.error.param, "text.format");
});
