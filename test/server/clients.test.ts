/** The programs that people use: OpenAI's own client, the AI SDK's compatible provider, LangChain. */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { generateObject, generateText, jsonSchema, streamText, tool } from "ai";
import test from "ava";
import OpenAI from "openai";
import { z } from "zod";
import { endless, greeting, openServer, user, weather } from "./fixtures.js";

const key = "a-key-of-the-test";
const keyed = { auth: { keys: [key] } };

test("openai: chat, stream, tools, schema, log-probabilities, models, completions", async (t) => {
  const { server } = await openServer(t, keyed);
  const client = new OpenAI({ apiKey: key, baseURL: `${server.url}/v1`, maxRetries: 0 });
  const models = await client.models.list();
  t.deepEqual(
    models.data.map(({ id }) => id),
    ["small"],
  );
  t.is((await client.models.retrieve("small")).id, "small");
  const whole = await client.chat.completions.create({ model: "small", messages: user(greeting), logprobs: true });
  t.is(whole.choices[0]?.message.content, "Good day.");
  t.is(whole.choices[0]?.logprobs?.content?.[0]?.token, "Good");
  t.regex(whole._request_id ?? "", /^req_/);

  const runner = client.chat.completions.stream({
    model: "small",
    messages: user(greeting),
    stream_options: { include_usage: true },
  });
  let text = "";
  for await (const chunk of runner) text += chunk.choices[0]?.delta.content ?? "";
  t.is(text, "Good day.");
  t.is(await runner.finalContent(), "Good day.");
  t.true(((await runner.totalUsage()).completion_tokens ?? 0) > 1);

  const called = client.chat.completions.runTools({
    model: "small",
    messages: user("Ask for k"),
    tools: [
      {
        type: "function",
        function: {
          ...weather.function,
          parse: JSON.parse,
          function: ({ city }: { city: string }) => `${city}: rain!`,
        },
      },
    ],
  });
  t.is(await called.finalContent(), "It rains.");

  const schema = {
    type: "object",
    properties: { rain: { type: "boolean" } },
    required: ["rain"],
    additionalProperties: false,
  };
  const parsed = await client.chat.completions.parse({
    model: "small",
    messages: user("Will it rain"),
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
  });
  t.is(typeof (parsed.choices[0]?.message.parsed as { rain?: unknown } | null)?.rain, "boolean");
  const completion = await client.completions.create({ model: "small", prompt: "Say h" });
  t.is(completion.choices[0]?.text, "Good day.");
});

test("openai: errors are of its classes, and an abort ends the answer here", async (t) => {
  const { server, pair } = await openServer(t, keyed);
  const baseURL = `${server.url}/v1`;
  const client = new OpenAI({ apiKey: key, baseURL, maxRetries: 0 });
  const wrong = new OpenAI({ apiKey: "another-wrong-key", baseURL, maxRetries: 0 });
  await t.throwsAsync(wrong.models.list(), { instanceOf: OpenAI.AuthenticationError });
  const ask = (body: object) => client.chat.completions.create({ model: "small", messages: user("x"), ...body });
  await t.throwsAsync(ask({ model: "large" }), { instanceOf: OpenAI.NotFoundError });
  const error = await t.throwsAsync(ask({ functions: [] }), { instanceOf: OpenAI.BadRequestError });
  t.deepEqual([error?.param, error?.code], ["functions", "unsupported_parameter"]);
  // All that fits is some 990 tokens, which take less than a second: a busy machine may be late once.
  const writtenBeforeAbort = async () => {
    const before = pair.metrics().decodeTokens;
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      { model: "small", messages: user(endless), stream: true },
      { signal: controller.signal },
    );
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) controller.abort();
    await untilIdle(server);
    return pair.metrics().decodeTokens - before;
  };
  let written = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 10 && written >= 900; attempt++) written = await writtenBeforeAbort();
  t.true(written < 900);
});

test("openai: responses, whole, in a stream, with tools, and gone on with", async (t) => {
  const { server } = await openServer(t);
  const client = new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 });
  const first = await client.responses.create({ model: "small", input: greeting, instructions: "Be brief" });
  t.is(first.output_text, "Good day.");
  t.is(first.status, "completed");
  t.regex(first.output[0]?.id ?? "", /^msg_/);
  const second = await client.responses.create({ model: "small", input: greeting, previous_response_id: first.id });
  t.true((second.usage?.input_tokens ?? 0) > (first.usage?.input_tokens ?? 0));
  t.is((await client.responses.retrieve(first.id)).output_text, "Good day.");
  await client.responses.delete(first.id);
  await t.throwsAsync(client.responses.retrieve(first.id), { instanceOf: OpenAI.NotFoundError });

  const stream = client.responses.stream({ model: "small", input: user(greeting), store: false });
  let text = "";
  for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
  const final = await stream.finalResponse();
  t.deepEqual([text, final.output_text], ["Good day.", "Good day."]);
  await t.throwsAsync(client.responses.retrieve(final.id), { instanceOf: OpenAI.NotFoundError });

  const tools = [{ type: "function" as const, ...weather.function, strict: true }];
  const called = await client.responses.create({ model: "small", input: "Ask for k", tools });
  const call = called.output.find((item) => item.type === "function_call");
  t.is(call?.arguments, '{"city":"Graz"}');
  const output = [{ type: "function_call_output" as const, call_id: call?.call_id ?? "", output: "rain!" }];
  const told = await client.responses.create({ model: "small", input: output, previous_response_id: called.id, tools });
  t.is(told.output_text, "It rains.");
});

test("the AI SDK's compatible provider: text, stream, tools, objects", async (t) => {
  const { server } = await openServer(t, keyed);
  const provider = createOpenAICompatible({
    ...{ name: "overfill", baseURL: `${server.url}/v1`, apiKey: key, includeUsage: true },
    supportsStructuredOutputs: true,
  });
  const model = provider("small");
  const whole = await generateText({ model, prompt: greeting, maxRetries: 0 });
  t.is(whole.text, "Good day.");
  t.true((whole.usage.outputTokens ?? 0) > 1);
  const again = await generateText({ model, prompt: greeting, maxRetries: 0 });
  t.true((again.usage.inputTokenDetails.cacheReadTokens ?? 0) > 0);
  const stream = streamText({ model, prompt: "Think of r", maxRetries: 0 });
  t.is(await stream.text, "Good evening.");
  t.is((await stream.reasoningText)?.trim(), "A greeting.");
  const { description, parameters } = weather.function;
  const inputSchema = jsonSchema<{ city: string }>(parameters as never);
  const called = await generateText({
    model,
    prompt: "Ask for k",
    tools: { weather: tool({ description, inputSchema }) },
    maxRetries: 0,
  });
  t.deepEqual(
    called.toolCalls.map(({ input }) => input),
    [{ city: "Graz" }],
  );
  const { object } = await generateObject({
    model,
    prompt: "Will it rain",
    schema: z.object({ rain: z.boolean() }),
    maxRetries: 0,
  });
  t.is(typeof object.rain, "boolean");
});

test("LangChain: text, stream, tools", async (t) => {
  const { server } = await openServer(t, keyed);
  const chat = new ChatOpenAI({
    model: "small",
    apiKey: key,
    maxRetries: 0,
    configuration: { baseURL: `${server.url}/v1` },
  });
  const answer = await chat.invoke([new HumanMessage(greeting)]);
  t.is(answer.content, "Good day.");
  t.true(((answer.usage_metadata as { output_tokens: number } | undefined)?.output_tokens ?? 0) > 1);
  let text = "";
  for await (const chunk of await chat.stream(greeting)) text += chunk.content;
  t.is(text, "Good day.");
  const called = await chat.bindTools([weather]).invoke("Ask for k");
  t.deepEqual(
    called.tool_calls?.map(({ name, args }) => [name, args]),
    [["weather", { city: "Graz" }]],
  );
});

/** Waits until the server answers nobody. */
async function untilIdle({ handler }: { readonly handler: { readonly running: number } }): Promise<void> {
  while (handler.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}
