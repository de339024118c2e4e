/** Tools: calls as they are written, the loop of runs and results, failures, and what is left to the caller. */

import test from "ava";
import { z } from "zod";
import { tryGrammarSchema } from "../../lib/chat/grammar-schema.js";
import { runTool, sayable } from "../../lib/chat/tools.js";
import { type ModelMessage, type ToolContext, type ToolResultPart, tool } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { call, chatPair, read, runs, says, types } from "./fixtures.js";

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] } as const;

const weather = tool({
  description: "The weather.",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, sky: "clear" }),
});

const graz = call("weather", { city: "Graz" });
const wien = call("weather", { city: "Wien" });

const results = (messages: readonly ModelMessage[]): readonly ToolResultPart[] =>
  messages.flatMap((message) => (message.role === "tool" ? message.content : []));

test.serial("a call runs, its result goes to the model, and the model goes on", async (t) => {
  const pair = await chatPair(t);
  const contexts: ToolContext[] = [];
  await using chat = pair.chat({
    tools: {
      weather: {
        ...weather,
        execute: (input: { city: string }, context) => {
          contexts.push(context);
          return { ...input, sky: "clear" };
        },
      },
    },
  });
  const city = "Graz, ".repeat(40);
  says(`I look.\n${call("weather", { city })}`, "It is clear.");
  const answer = await read(chat.send("How is Graz?"));
  t.deepEqual(types(answer.parts), [
    ...["text", "tool-call-delta", "tool-call", "finish-step", "tool-result"],
    ...["text", "finish-step", "finish"],
  ]);
  const [first, second] = answer.steps;
  const [made] = first?.toolCalls ?? [];
  t.deepEqual(made, { type: "tool-call", toolCallId: made?.toolCallId ?? "", toolName: "weather", input: { city } });
  t.regex(made?.toolCallId ?? "", /^[A-Za-z0-9]{9,}$/);
  const deltas = answer.parts.filter((part) => part.type === "tool-call-delta");
  t.true(deltas.length > 1, "the input comes in pieces");
  t.deepEqual(JSON.parse(deltas.map(({ inputDelta }) => inputDelta).join("")), { city });
  t.true(deltas.every(({ toolName, toolCallId }) => toolName === "weather" && toolCallId === made?.toolCallId));
  t.deepEqual([first?.finishReason, second?.finishReason, answer.finishReason], ["tool-calls", "stop", "stop"]);
  t.is(answer.text, "It is clear.");
  t.deepEqual(answer.toolCalls, []);
  const output = { city, sky: "clear" };
  const result = { type: "tool-result", toolCallId: made?.toolCallId ?? "", toolName: "weather", output } as const;
  t.deepEqual(first?.toolResults, [result]);
  t.deepEqual(answer.messages, [
    { role: "assistant", content: [{ type: "text", text: first?.text ?? "" }, ...(first?.toolCalls ?? [])] },
    { role: "tool", content: [result] },
    { role: "assistant", content: "It is clear." },
  ]);
  t.deepEqual(chat.messages, [{ role: "user", content: "How is Graz?" }, ...answer.messages]);
  t.is(answer.usage.completionTokens, (first?.usage.completionTokens ?? 0) + (second?.usage.completionTokens ?? 0));
  t.is(contexts.length, 1);
  t.is(contexts[0]?.toolCallId, made?.toolCallId);
  t.deepEqual(contexts[0]?.messages, chat.messages.slice(0, 2));
});

test.serial("calls made at once run at once, and their results keep their order", async (t) => {
  const pair = await chatPair(t);
  const running: string[] = [];
  let release = () => {};
  const both = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using chat = pair.chat({
    tools: {
      weather: tool({
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => {
          running.push(city);
          if (running.length === 2) release();
          await both;
          return city;
        },
      }),
    },
  });
  says(`${graz}\n${wien}`, "Both are clear.");
  const answer = await read(chat.send("Graz and Wien?"));
  t.deepEqual(
    results(answer.messages).map(({ output }) => output),
    ["Graz", "Wien"],
  );
  t.is(new Set(results(answer.messages).map(({ toolCallId }) => toolCallId)).size, 2);
  t.is(answer.text, "Both are clear.");
});

test.serial("every failure of a call is a result that the model reads", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({
    tools: {
      weather,
      broken: { inputSchema: { type: "object" }, execute: () => Promise.reject(new Error("no network")) },
      silent: { inputSchema: { type: "object" }, execute: () => {} },
      cyclic: {
        inputSchema: { type: "object" },
        execute: () => {
          const cycle: Record<string, unknown> = {};
          cycle.self = cycle;
          return cycle;
        },
      },
    },
  });
  const calls: readonly (readonly [said: string, result: Partial<ToolResultPart>])[] = [
    [call("weather", { city: 4 }), { isError: true, output: "the input is not valid: city: " }],
    [call("broken", {}), { isError: true, output: "no network" }],
    [call("silent", {}), { output: null }],
  ];
  for (const [said, expected] of calls) {
    says(said, "I see.");
    const answer = await read(chat.send("Try"));
    const [result] = results(answer.messages);
    t.is(result?.isError, expected.isError, said);
    if (typeof expected.output === "string")
      t.true(String(result?.output).startsWith(expected.output), String(result?.output));
    else t.is(result?.output, expected.output);
    t.is(answer.text, "I see.", said);
  }
  says(call("cyclic", {}), "I see.");
  const answer = await read(chat.send("Try"));
  t.true(results(answer.messages)[0]?.isError, "what JSON cannot say is a failure of the tool");
  const context = { toolCallId: "a", messages: [], signal: new AbortController().signal };
  for (const toolName of ["none", "toString"]) {
    const result = await runTool({ weather }, { type: "tool-call", toolCallId: "a", toolName, input: {} }, context);
    t.deepEqual([result.isError, result.output], [true, `there is no tool "${toolName}"`]);
  }
});

test.serial("maxSteps ends the loop with calls that were not run", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools: { weather } });
  says(graz, wien, "never said");
  const answer = await read(chat.send("Graz?", { maxSteps: 2 }));
  t.is(answer.steps.length, 2);
  t.is(answer.finishReason, "tool-calls");
  t.deepEqual(
    answer.toolCalls.map(({ input }) => input),
    [{ city: "Wien" }],
  );
  t.is(chat.messages.length, 4);
  const { toolCallId, toolName } = answer.toolCalls[0] ?? { toolCallId: "", toolName: "" };
  says("Clear.");
  const content = [{ type: "tool-result", toolCallId, toolName, output: "clear" }] as const;
  t.is((await read(chat.send({ role: "tool", content }))).text, "Clear.");
});

test.serial("a tool without `execute` is the caller's: the answer ends with its calls", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools: { ask: { inputSchema: city }, weather } });
  says(`${call("ask", { city: "Graz" })}\n${graz}`);
  const answer = await read(chat.send("Graz?"));
  t.is(answer.finishReason, "tool-calls");
  t.deepEqual(
    answer.toolCalls.map(({ toolName }) => toolName),
    ["ask", "weather"],
  );
  t.deepEqual(results(answer.messages), []);
  await refusal(t, "ERR_STAGE_ORDER", () => chat.continue());
  const strange = { type: "tool-result", toolCallId: "strange", toolName: "ask", output: 1 } as const;
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send({ role: "tool", content: [strange] }));
  says("Thanks.");
  const content = answer.toolCalls.map(({ toolCallId, toolName }) => ({
    ...{ type: "tool-result", toolCallId, toolName, output: "fine" },
  })) as ToolResultPart[];
  t.is((await read(chat.send({ role: "tool", content }))).text, "Thanks.");
  t.is(chat.messages.length, 4);
});

test.serial("an abort while a tool runs reaches the tool, and leaves no half an exchange", async (t) => {
  const pair = await chatPair(t);
  const seen: unknown[] = [];
  let begun = () => {};
  let end = (_result: string) => {};
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  await using chat = pair.chat({
    tools: {
      weather: tool({
        inputSchema: z.object({ city: z.string() }),
        execute: (_input, { signal }) => {
          begun();
          signal.addEventListener("abort", () => seen.push(signal.reason));
          // The answer does not wait for it.
          return new Promise<string>((resolve) => {
            end = resolve;
          });
        },
      }),
    },
  });
  says("Hello.");
  await chat.send("Hi").finished;
  says(graz);
  const stream = chat.send("Graz?");
  await running;
  stream.abort("stop");
  const answer = await stream.finished;
  t.is(answer.finishReason, "abort");
  t.deepEqual(seen, ["stop"]);
  t.deepEqual(
    chat.messages.map(({ role }) => role),
    ["user", "assistant"],
  );
  t.deepEqual(answer.messages, []);
  end("Rain.");
  const told: string[] = [];
  const thrown: unknown = await (async () => {
    for await (const { type } of stream) told.push(type);
  })().catch((error: unknown) => error);
  t.is(thrown, "stop");
  t.is(told.at(-1), "finish");
  says("Fine.");
  t.is((await read(chat.send("And now?"))).text, "Fine.");
});

test.serial("toolChoice: none, any, one by name; what is demanded is demanded once", async (t) => {
  const pair = await chatPair(t);
  const place = { inputSchema: city, execute: () => "here" };
  await using chat = pair.chat({ tools: { weather, place } });
  const grammars = () => runs.splice(0).map(({ grammar, grammarLazy }) => ({ grammar, lazy: grammarLazy ?? false }));

  says("No.");
  t.is((await read(chat.send("Graz?", { toolChoice: "none" }))).text, "No.");
  t.deepEqual(grammars(), [{ grammar: "", lazy: false }]);

  says(call("place", { city: "Graz" }), "Here.");
  const named = await read(chat.send("Graz?", { toolChoice: { tool: "place" } }));
  t.is(named.text, "Here.");
  const [only, after] = grammars();
  t.true(only?.grammar.includes("place") && !only.grammar.includes("weather") && !only.lazy);
  t.true(after?.lazy, "with the result it may answer");

  says(graz, "Clear.");
  await read(chat.send("Graz?", { toolChoice: "required" }));
  const [any] = grammars();
  t.true(any?.grammar.includes("place") && any.grammar.includes("weather") && !any.lazy);

  says("As you like.");
  await read(chat.send("Graz?"));
  t.true(grammars()[0]?.lazy);

  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { toolChoice: { tool: "none" } }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { tools: {}, toolChoice: "required" }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { grammar: 'root ::= "a"' }));
});

test.serial("tools of an answer stand in the place of the chat's", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools: { weather } });
  says("No tools here.");
  const plain = await read(chat.send("Hi", { tools: {} }));
  t.is(plain.text, "No tools here.");
  says("Tools here.");
  const usual = await read(chat.send("Hi"));
  t.true(usual.usage.promptTokens > 2 * plain.usage.promptTokens);
});

test("tools with names or descriptions of no kind are refused, each by its place", async (t) => {
  const pair = await chatPair(t);
  const attempt = (tools: unknown) => () => pair.chat({ tools: tools as never });
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ "a b": weather }));
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ a: { inputSchema: 1 } }));
  await refusal(t, "ERR_INVALID_ARGUMENT", attempt({ a: { ...weather, execute: 1 } }));
});

test("a tool's schema loses what no grammar can say, and keeps the rest", (t) => {
  const url = { type: "string", format: "uri", description: "where" };
  const schema = {
    type: "object",
    properties: { url, list: { type: "array", items: { type: "number", minimum: 0 }, uniqueItems: true } },
    required: ["url"],
    patternProperties: { "^x": {} },
  };
  t.deepEqual(sayable(schema), {
    type: "object",
    properties: { url: { type: "string", description: "where" }, list: { type: "array", items: { type: "number" } } },
    required: ["url"],
  });
  t.deepEqual(sayable({ type: "object", properties: { "a/b": url } }), { type: "object" });
  t.is(schema.properties.url.format, "uri");
  const either = { oneOf: [{ type: "string", format: "uri" }, { type: "integer" }] };
  t.deepEqual(sayable(either), { oneOf: [{ type: "string" }, { type: "integer" }] });
  t.deepEqual(sayable({ description: "any", anyOf: [{ type: "string" }, 5] }), { description: "any" });
  t.deepEqual(sayable({ type: "object", properties: { a: 1, b: url }, required: ["a"] }), {
    type: "object",
    properties: { b: { type: "string", description: "where" } },
  });
});

test("all that no grammar can say is found in one look, however much it is", (t) => {
  const names = Array.from({ length: 2000 }, (_, i) => `p${i}`);
  const bad = { type: "string", format: "uri", "x-order": 1 };
  const schema = { type: "object", properties: Object.fromEntries(names.map((name) => [name, bad])) };
  const tried = tryGrammarSchema(schema);
  t.is("refused" in tried && tried.refused.length, 2000);
  t.deepEqual(sayable(schema), {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  });
});

test("a template without a place for tools refuses them, and leaves the session to others", async (t) => {
  const pair = await chatPair(t, { maxSessions: 1 });
  const chat = pair.chat({ template: "chatml", tools: { weather } });
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", chat.send("Rain?").finished);
  t.regex(error.message, /no place for tools/);
  await using session = await pair.createSession();
  t.is(session.stats().stage, "empty");
});
