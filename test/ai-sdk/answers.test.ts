/** Text, reasoning and objects through the SDK's own functions: what comes, in which parts, and what is told of it. */

import type { JSONObject } from "@ai-sdk/provider";
import { generateObject, generateText, NoSuchModelError, Output, streamText, UnsupportedFunctionalityError } from "ai";
import test from "ava";
import { z } from "zod";
import { createOverfill } from "../../lib/ai-sdk/index.js";
import { refusal } from "../engine/fixtures.js";
import { openProvider, says } from "./fixtures.js";

test("generateText gives the text, the usage, why it ended, and figures of the three stages", async (t) => {
  const { provider } = await openProvider(t);
  const answer = await generateText({ model: provider("small"), prompt: "Hello", providerOptions: says("Good day.") });
  t.is(answer.text, "Good day.");
  t.deepEqual([answer.finishReason, answer.rawFinishReason], ["stop", "stop"]);
  const { inputTokens = 0, inputTokenDetails, outputTokens = 0, outputTokenDetails } = answer.usage;
  t.true(inputTokens > 10 && outputTokens > 3);
  t.deepEqual([inputTokenDetails.noCacheTokens, inputTokenDetails.cacheReadTokens], [inputTokens, 0]);
  t.deepEqual([outputTokenDetails.textTokens, outputTokenDetails.reasoningTokens], [outputTokens, 0]);
  const { usage, prefill, handover, decode, droppedMessages } = (answer.providerMetadata?.overfill ?? {}) as Record<
    string,
    JSONObject
  >;
  t.is(prefill?.contextTokens, inputTokens);
  t.is(handover?.kind, "share");
  t.is(handover?.tokens, inputTokens);
  t.is(decode?.tokens, outputTokens);
  t.is(usage?.refreshedTokens, 0);
  t.is(droppedMessages as unknown, 0);
  t.deepEqual(answer.warnings, []);
  t.deepEqual(
    [answer.response.modelId, provider("small").provider, provider.languageModel("small").modelId],
    ["small", "overfill", "small"],
  );
});

test("settings of the SDK reach the sampler, and those of the model stand where the call says nothing", async (t) => {
  const { provider } = await openProvider(t, { temperature: 1.5 });
  const model = provider("small");
  const write = async (settings: object) =>
    (await generateText({ model, prompt: "x", maxOutputTokens: 24, ...settings })).text;
  t.is(await write({ seed: 1 }), await write({ seed: 1 }));
  t.not(await write({ seed: 1 }), await write({ seed: 2 }));
  // All but the likeliest token is cut away, so that seeds have nothing to choose from.
  const greedy = await write({ temperature: 0 });
  for (const only of [{ topK: 1 }, { topP: 1e-9 }, { providerOptions: { overfill: { topK: 1 } } }])
    t.is(await write({ seed: 3, ...only }), greedy);
  const penalised = await write({ temperature: 0, frequencyPenalty: 100, presencePenalty: 100 });
  t.not(penalised, greedy);
  const cut = await generateText({
    model,
    prompt: "x",
    providerOptions: says("one two three"),
    stopSequences: [" two"],
  });
  t.deepEqual([cut.text, cut.finishReason], ["one", "stop"]);
  const short = await generateText({ model, prompt: "x", providerOptions: says("one two three"), maxOutputTokens: 2 });
  t.deepEqual([short.finishReason, short.usage.outputTokens], ["length", 2]);
  t.is(
    (await generateText({ model, prompt: "x", maxOutputTokens: 1, providerOptions: { overfill: { logProbs: 2 } } }))
      .providerMetadata?.overfill?.logProbs?.constructor,
    Array,
  );
});

test("streamText gives reasoning and text as runs with a start, an end and an id of their own", async (t) => {
  const { provider } = await openProvider(t);
  const said = says("<think>\nIt is a greeting.\n</think>\n\nGood day.");
  const stream = streamText({ model: provider("small"), prompt: "Hello", providerOptions: said });
  const runs: string[] = [];
  const told = { reasoning: "", text: "" };
  for await (const part of stream.fullStream) {
    if (part.type === "text-delta") told.text += part.text;
    else if (part.type === "reasoning-delta") told.reasoning += part.text;
    else if ("id" in part) runs.push(`${part.type} ${part.id}`);
  }
  t.deepEqual(runs, ["reasoning-start 0", "reasoning-end 0", "text-start 1", "text-end 1"]);
  t.is(told.reasoning.trim(), "It is a greeting.");
  t.is(told.text, "Good day.");
  t.is(await stream.finishReason, "stop");
  const { outputTokens = 0, outputTokenDetails } = await stream.usage;
  const { textTokens = 0, reasoningTokens = 0 } = outputTokenDetails;
  t.true(outputTokens > 0);
  t.is(textTokens + reasoningTokens, outputTokens);
  t.is((await stream.providerMetadata)?.overfill?.droppedMessages, 0);

  const whole = await generateText({ model: provider("small"), prompt: "Hello", providerOptions: said });
  t.deepEqual([whole.reasoningText, whole.text], [told.reasoning, told.text]);
});

test("a schema holds the answer, and JSON without one is an object", async (t) => {
  const { pair, provider } = await openProvider(t);
  const model = provider("small");
  const schema = z.object({ rain: z.boolean(), sky: z.enum(["clear", "dull"]) });
  const { object } = await generateObject({ model, prompt: "The weather?", schema });
  t.notThrows(() => schema.parse(object));
  const { output } = await generateText({ model, prompt: "The weather?", output: Output.object({ schema }) });
  t.notThrows(() => schema.parse(output));
  const stream = streamText({ model, prompt: "The weather?", output: Output.object({ schema }) });
  t.deepEqual(await stream.output, output);
  const [brace = -1] = pair.tokenize("}");
  const { content } = await model.doGenerate({
    prompt: [{ role: "user", content: [{ type: "text", text: "x" }] }],
    responseFormat: { type: "json" },
    providerOptions: { overfill: { logitBias: { [brace]: Number.POSITIVE_INFINITY } } },
  });
  t.regex(content[0]?.type === "text" ? content[0].text : "", /^\{\s*\}\s*$/);
});

test("the assistant's last message is gone on with", async (t) => {
  const { provider } = await openProvider(t);
  const { text } = await generateText({
    model: provider("small"),
    messages: [
      { role: "user", content: "Count." },
      { role: "assistant", content: "one, " },
    ],
    providerOptions: says("two"),
  });
  t.is(text, "two");
});

test("what the model cannot take is refused in the SDK's own words", async (t) => {
  const { provider, pair } = await openProvider(t);
  const model = provider("small");
  const none = t.throws(() => provider("large"));
  t.true(NoSuchModelError.isInstance(none));
  t.like(none, { code: "ERR_INVALID_ARGUMENT", modelId: "large", modelType: "languageModel" });
  t.regex(none?.message ?? "", /expected "small"; got "large"/);
  for (const kind of ["embeddingModel", "imageModel"] as const) {
    const refused = t.throws(() => provider[kind]("small"));
    t.true(NoSuchModelError.isInstance(refused));
    t.like(refused, { modelType: kind });
  }

  const image = { type: "image", image: new Uint8Array([137, 80, 78, 71]), mediaType: "image/png" } as const;
  const attempt = generateText({
    model,
    messages: [{ role: "user", content: [{ type: "text", text: "What?" }, image] }],
  });
  const unsupported = await t.throwsAsync(attempt);
  t.true(UnsupportedFunctionalityError.isInstance(unsupported), String(unsupported));
  t.like(unsupported, { code: "ERR_INVALID_ARGUMENT", functionality: "files (image/png)" });

  const options = (overfill: object) =>
    generateText({ model, prompt: "x", providerOptions: { overfill: overfill as JSONObject } });
  for (const [wrong, parameter] of [
    [{ maxSteps: 2 }, "providerOptions.overfill.maxSteps"],
    [{ minP: 2 }, "options.minP"],
    [{ warmth: 2 }, "options.warmth"],
  ] as const)
    t.is((await refusal(t, "ERR_INVALID_ARGUMENT", options(wrong))).details.parameter, parameter);
  const made: readonly (readonly [unknown, string])[] = [
    [{ models: [] }, "options.models"],
    [{ models: { small: {} } }, "options.models.small"],
    [{ models: { small: { pair, template: 1 } } }, "options.models.small.template"],
    [{ models: { small: { pair, tools: {} } } }, "options.models.small.tools"],
    [{ models: { small: pair }, maxSessions: 0 }, "options.maxSessions"],
  ];
  for (const [wrong, parameter] of made) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => createOverfill(wrong as never));
    t.is(error.details.parameter, parameter);
  }
});

test("an error before the answer rejects the call, and one within it ends the stream", async (t) => {
  const { provider } = await openProvider(t);
  const model = provider("small");
  const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "x ".repeat(5000) }] }];
  await refusal(t, "ERR_CONTEXT_OVERFLOW", model.doStream({ prompt }));
  // Stop strings leave half of an object, which is none.
  const { stream } = await model.doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: "x" }] }],
    responseFormat: {
      type: "json",
      schema: { type: "object", properties: { rain: { const: true } }, required: ["rain"] },
    },
    stopSequences: ["rain"],
  });
  const parts = [];
  for await (const part of stream) parts.push(part);
  const [end, failure, finish] = parts.slice(-3);
  t.is(end?.type, "text-end");
  t.is(failure?.type, "error");
  t.like(finish, { type: "finish", finishReason: { unified: "error" } });
});

test("settings without a like here are warned of", async (t) => {
  const { provider } = await openProvider(t);
  const text = [{ role: "user" as const, content: [{ type: "text" as const, text: "x" }] }];
  const { warnings } = await provider("small").doGenerate({
    prompt: text,
    maxOutputTokens: 1,
    includeRawChunks: true,
    tools: [
      { type: "provider", id: "other.search", name: "search" },
      { type: "function", name: "look", inputSchema: { type: "object" }, inputExamples: [{ input: {} }] },
    ],
  });
  t.deepEqual(
    warnings.map(({ type, feature }) => `${type}: ${feature}`),
    ["unsupported: includeRawChunks", "unsupported: tool other.search", "unsupported: inputExamples"],
  );
});
