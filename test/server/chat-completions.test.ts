/** `/v1/chat/completions` by plain requests: what comes, what is told of it, and what is refused. */

import test from "ava";
import { endless, greeting, openServer, time, user, weather } from "./fixtures.js";

const path = "/v1/chat/completions";

test("an answer has OpenAI's shape, with usage, llama.cpp's timings and those of the stages", async (t) => {
  const { json } = await openServer(t);
  const { status, body, headers } = await json(path, { model: "small", messages: user(greeting) });
  t.is(status, 200);
  t.regex(body.id, /^chatcmpl-/);
  t.deepEqual([body.object, body.model], ["chat.completion", "small"]);
  t.true(body.system_fingerprint.startsWith("b"));
  const [choice, ...more] = body.choices;
  t.deepEqual(more, []);
  t.deepEqual(choice, {
    index: 0,
    message: { role: "assistant", content: "Good day.", refusal: null },
    logprobs: null,
    finish_reason: "stop",
  });
  const { usage, timings } = body;
  t.is(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  t.is(usage.prompt_tokens_details.cached_tokens, 0);
  t.deepEqual(
    [timings.prompt_n, timings.predicted_n, timings.cache_n],
    [usage.prompt_tokens, usage.completion_tokens, 0],
  );
  t.is(timings.overfill.handover, "share");
  t.regex(headers.get("x-request-id") ?? "", /^req_/);
});

test("a stream says the role, the text in pieces, why it ended, and the usage if it is asked for", async (t) => {
  const { events } = await openServer(t);
  const told = await events(path, { messages: user(greeting), stream_options: { include_usage: true } });
  t.deepEqual(told[0].choices[0].delta, { role: "assistant", content: null });
  t.is(told.map(({ choices: [choice] }) => choice?.delta.content ?? "").join(""), "Good day.");
  t.true(told.every(({ id }) => id === told[0].id));
  t.deepEqual(told.at(-2).choices[0], { index: 0, delta: {}, logprobs: null, finish_reason: "stop" });
  t.deepEqual([told.at(-1).choices, told[0].usage], [[], null]);
  t.true(told.at(-1).usage.completion_tokens > 1 && told.at(-1).timings.predicted_n > 1);
  const short = await events(path, { messages: user(endless), max_tokens: 5 });
  t.is(short.at(-1).choices[0].finish_reason, "length");
  t.is(short.at(-1).timings.predicted_n, 5);
});

test("a conversation that grows is read only as far as it is new, without a session's id", async (t) => {
  const { json } = await openServer(t);
  const first = await json(path, { messages: user(greeting) });
  const messages = [...user(greeting), first.body.choices[0].message, ...user(greeting)];
  const second = await json(path, { messages });
  const { prompt_tokens, prompt_tokens_details } = second.body.usage;
  t.true(prompt_tokens_details.cached_tokens >= first.body.usage.prompt_tokens - 4);
  t.true(prompt_tokens > prompt_tokens_details.cached_tokens);
  // The same once more: all but the last token.
  const again = await json(path, { messages });
  t.is(again.body.usage.prompt_tokens_details.cached_tokens, prompt_tokens - 1);
});

test("tools: a call, several at once, one by name, none, and the answer to the results", async (t) => {
  const { json, events } = await openServer(t);
  const tools = [weather, time];
  const one = await json(path, { messages: user("Ask for k"), tools });
  const [choice] = one.body.choices;
  t.deepEqual([choice.finish_reason, choice.message.content], ["tool_calls", null]);
  const [call] = choice.message.tool_calls;
  t.deepEqual([call.type, call.function], ["function", { name: "weather", arguments: '{"city":"Graz"}' }]);
  const results = [...user("Ask for k"), choice.message, { role: "tool", tool_call_id: call.id, content: "rain!" }];
  t.is((await json(path, { messages: results, tools })).body.choices[0].message.content, "It rains.");

  const parallel = await events(path, { messages: user("Ask for p"), tools });
  const deltas = parallel.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
  const calls = [0, 1].map((n) => deltas.filter(({ index }) => index === n));
  t.deepEqual(
    calls.map(([begin]) => begin.function.name),
    ["weather", "time"],
  );
  t.deepEqual(
    calls.map((own) => JSON.parse(own.map((delta) => delta.function.arguments).join(""))),
    [{ city: "Linz" }, { zone: "CET" }],
  );
  t.true(calls.every((own) => own.every(({ id }, i) => (i === 0) === (id !== undefined))));

  const none = await json(path, { messages: user(greeting), tools, tool_choice: "none" });
  t.is(none.body.choices[0].message.content, "Good day.");
  const named = { type: "function", function: { name: "weather" } };
  const forced = await json(path, { messages: user("Ask for k"), tools, tool_choice: named });
  t.is(forced.body.choices[0].message.tool_calls[0].function.name, "weather");
});

test("JSON: an object, and what keeps to a schema, also in llama.cpp's forms", async (t) => {
  const { json } = await openServer(t);
  const schema = {
    type: "object",
    properties: { rain: { type: "boolean" } },
    required: ["rain"],
    additionalProperties: false,
  };
  const asked = { messages: user("Will it rain"), max_tokens: 200 };
  for (const format of [
    { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } },
    { response_format: { type: "json_object", schema } },
    { json_schema: schema },
  ]) {
    const { status, body } = await json(path, { ...asked, ...format });
    t.is(status, 200, JSON.stringify(body));
    t.is(typeof JSON.parse(body.choices[0].message.content).rain, "boolean");
  }
  const any = await json(path, { ...asked, response_format: { type: "json_object" } });
  t.true(any.body.choices[0].message.content.startsWith("{"));
  for (const response_format of [
    { type: "sound" },
    { type: "json_object", schema: 123 },
    { type: "json_object", schema: { type: 123 } },
    { type: "json_object", schema: { type: "hiccup" } },
    { type: "json_schema", json_schema: { schema: { type: "string", pattern: "(?=a)" } } },
  ]) {
    const { status, body } = await json(path, { ...asked, response_format });
    t.is(status, 400, JSON.stringify(body));
    t.regex(body.error.param ?? "", /^response_format/);
  }
});

test("reasoning comes apart from the text, whole and in a stream, and counts", async (t) => {
  const { json, events } = await openServer(t);
  const { body } = await json(path, { messages: user("Think of r") });
  t.is(body.choices[0].message.reasoning_content.trim(), "A greeting.");
  t.is(body.choices[0].message.content, "Good evening.");
  t.true(body.usage.completion_tokens_details.reasoning_tokens > 0);
  const told = await events(path, { messages: user("Think of r") });
  const join = (name: string) => told.map(({ choices }) => choices[0]?.delta[name] ?? "").join("");
  t.deepEqual([join("reasoning_content").trim(), join("content")], ["A greeting.", "Good evening."]);
});

test("log-probabilities add up to the text, whole and in a stream", async (t) => {
  const { json, events } = await openServer(t);
  const asked = { messages: user(greeting), logprobs: true, top_logprobs: 3, max_tokens: 3 };
  const whole = (await json(path, asked)).body.choices[0];
  const check = (
    content: { token: string; bytes: number[]; logprob: number; top_logprobs: unknown[] }[],
    text: string,
  ) => {
    t.is(content.map(({ token }) => token).join(""), text);
    for (const { token, bytes, logprob, top_logprobs } of content) {
      t.deepEqual(bytes, [...Buffer.from(token)]);
      t.true(logprob <= 0);
      t.is(top_logprobs.length, 3);
    }
  };
  check(whole.logprobs.content, whole.message.content);
  const told = await events(path, asked);
  const content = told.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
  check(content, "Good day.");
});

test("what reaches the sampler: stop, seed, bias, grammar, n", async (t) => {
  const { json, pair } = await openServer(t);
  const content = async (more: object, prompt = greeting) => {
    const { status, body } = await json(path, { messages: user(prompt), ...more });
    t.is(status, 200, JSON.stringify(body));
    return body.choices.map(({ message }: { message: { content: string } }) => message.content);
  };
  t.deepEqual(await content({ stop: " day" }), ["Good"]);
  t.deepEqual(await content({ grammar: 'root ::= "Bye"' }), ["Bye"]);
  const size = pair.info.prefill.vocabularySize;
  const good = Array.from({ length: size }, (_, token) => token).find((token) => pair.detokenize([token]) === "Good");
  t.not((await content({ logit_bias: { [good as number]: -100 }, max_tokens: 3 }))[0], "Good day.");
  t.deepEqual(await content({ logit_bias: [[good, 5]] }), ["Good day."]);
  const warm = { temperature: 1000, max_tokens: 12, top_k: 0, top_p: 1, min_p: 0 };
  const [a, b] = await content({ ...warm, seed: 7, n: 2 }, "Say x");
  t.deepEqual(await content({ ...warm, seed: 7 }, "Say x"), [a]);
  t.deepEqual(await content({ ...warm, seed: 8 }, "Say x"), [b]);
  t.not(a, b);
  const { body } = await json(path, { messages: user(greeting), n: 3 });
  t.deepEqual(
    body.choices.map(({ index }: { index: number }) => index),
    [0, 1, 2],
  );
});

test("several answers in a stream are told apart by their index", async (t) => {
  const { events } = await openServer(t);
  const told = await events(path, { messages: user(greeting), n: 3 });
  for (const n of [0, 1, 2]) {
    const own = told.flatMap(({ choices }) => choices).filter(({ index }) => index === n);
    t.is(own.map(({ delta }) => delta.content ?? "").join(""), "Good day.");
    t.is(own.at(-1).finish_reason, "stop");
  }
});

test("the dial: a name with :exact, :fast or an acceptance behind it, and what it cannot go with", async (t) => {
  const { json } = await openServer(t);
  const exact = await json(path, { model: "gpt-small:exact", messages: user(greeting) });
  t.is(exact.body.choices[0].message.content, "Good day.");
  t.truthy(exact.body.timings.overfill.verification);
  const fast = await json(path, { model: "small:fast", messages: user(greeting) });
  t.is(fast.body.timings.overfill.verification, undefined);
  const near = await json(path, { model: "small:0.25", messages: user(greeting) });
  t.truthy(near.body.timings.overfill.verification);
  for (const word of ["0", "0.0", "1.5", "2", "-1", "1e-1", "wild"]) {
    const odd = await json(path, { model: `small:${word}`, messages: user(greeting) });
    t.deepEqual([odd.status, odd.body.error.code], [404, "model_not_found"], word);
  }
  const { status, body } = await json(path, { model: "small:exact", messages: user(greeting), refresh_interval: 4 });
  t.is(status, 400, JSON.stringify(body));
});

test("the assistant's message at the end is gone on with", async (t) => {
  const { json } = await openServer(t);
  const messages = [...user("Say x"), { role: "assistant", content: "Oh" }];
  const { status, body } = await json(path, { messages, max_tokens: 4, continue_final_message: true });
  t.is(status, 200, JSON.stringify(body));
  t.is(body.choices[0].message.content, "Good day.");
  const both = await json(path, { messages, add_generation_prompt: true, continue_final_message: true });
  t.is(both.status, 400);
});

test("a chat that does not fit is refused with its figures, whole and in a stream", async (t) => {
  const { json, ask } = await openServer(t);
  const messages = Array.from({ length: 100 }, () => user("What is the best book")).flat();
  for (const stream of [false, true]) {
    const response = await ask(path, { messages, stream });
    t.is(response.status, 400);
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    t.deepEqual([error.type, error.code], ["exceed_context_size_error", "context_length_exceeded"]);
    t.true(Number(error.n_prompt_tokens) > Number(error.n_ctx));
  }
  await json(path, { messages: user(greeting) }).then(({ status }) => t.is(status, 200));
});

const messages = user("x");
const refused: readonly (readonly [body: unknown, param: string | null])[] = [
  ["{", null],
  [[], null],
  [{ messages: null }, "messages"],
  [{ messages: "string" }, "messages"],
  [{ messages: [123] }, "messages.0"],
  [{ messages: [{}] }, "messages.0.role"],
  [{ messages: [{ role: 123 }] }, "messages.0.role"],
  [{ messages: [{ role: "system", content: 123 }] }, "messages.0.content"],
  [{ messages: [{ role: "system", content: "x" }] }, "messages.0"],
  [{ messages: [...messages, {}] }, "messages.1.role"],
  [{ messages: [...messages, { role: "assistant", content: "x" }, { role: "assistant", content: "x" }] }, "messages.2"],
  [
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    "messages.0.content.0.type",
  ],
  [{ messages: [{ role: "tool", tool_call_id: "a", content: "x" }] }, "messages.0.tool_call_id"],
  [{ messages, functions: [] }, "functions"],
  [{ messages, audio: {} }, "audio"],
  [{ messages, hello: 1 }, "hello"],
  [{ messages, temperature: -1 }, "temperature"],
  [{ messages, temperature: "hot" }, "temperature"],
  [{ messages, max_tokens: 0 }, "max_tokens"],
  [{ messages, max_tokens: 1, max_completion_tokens: 2 }, "max_tokens"],
  [{ messages, n: 17 }, "n"],
  [{ messages, top_logprobs: 2 }, "top_logprobs"],
  [{ messages, logit_bias: { a: 1 } }, "logit_bias.a"],
  [{ messages, logit_bias: { 99999999: 1 } }, "logit_bias"],
  [{ messages, tool_choice: "required" }, "tool_choice"],
  [{ messages, parallel_tool_calls: false }, "parallel_tool_calls"],
  [
    { messages, tools: [weather], tool_choice: { type: "function", function: { name: "x" } } },
    "tool_choice.function.name",
  ],
  [{ messages, tools: [weather, weather] }, "tools.1.function.name"],
  [{ messages, tools: [weather], response_format: { type: "json_object" } }, "response_format"],
  [{ messages, stop: "x", response_format: { type: "json_object" } }, "stop"],
  [{ messages, grammar: "root ::= this is (not valid GBNF" }, "grammar"],
  [{ messages, stream_options: { include_usage: true } }, "stream_options"],
  [{ messages, store: true }, "store"],
  [{ messages: [{ ...messages[0], name: "ann" }] }, "messages.0.name"],
  [{ messages, reasoning_effort: "low" }, "reasoning_effort"],
  [{ messages, reasoning_effort: "none", reasoning_budget: 5 }, "reasoning_budget"],
  [
    { messages, response_format: { type: "json_schema", json_schema: { name: "x", description: "y", schema: {} } } },
    "response_format.json_schema.description",
  ],
];

test("what cannot be served is a 400 that names the parameter, and never ignored", async (t) => {
  const { json } = await openServer(t);
  for (const [body, param] of refused) {
    const told = await json(path, body);
    t.is(told.status, 400, JSON.stringify([body, told.body]));
    t.is(told.body.error.param, param, JSON.stringify([body, told.body]));
    t.is(told.body.error.type, "invalid_request_error");
  }
  const unknown = await json(path, { model: "large", messages });
  t.deepEqual([unknown.status, unknown.body.error.code], [404, "model_not_found"]);
});
