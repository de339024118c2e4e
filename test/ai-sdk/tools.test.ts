/** Tools that the SDK runs: calls as they are written, their results, and who may be called. */

import { generateText, stepCountIs, streamText, tool } from "ai";
import test from "ava";
import { z } from "zod";
import { callsAtOnce, openProvider, says } from "./fixtures.js";

const places = ["Graz", "Wien"] as const;
const city = z.object({ city: z.enum(places) });

test("the SDK runs what the model calls, and the model goes on with the result", async (t) => {
  const { pair, provider } = await openProvider(t);
  const asked: string[] = [];
  const weather = tool({
    description: "The weather.",
    inputSchema: city,
    execute: ({ city }) => {
      asked.push(city);
      return { city, rain: true };
    },
  });
  const { steps, text, response } = await generateText({
    model: provider("small"),
    prompt: "Will it rain?",
    tools: { weather },
    stopWhen: stepCountIs(3),
    prepareStep: ({ stepNumber }) =>
      stepNumber === 0
        ? { toolChoice: "required", providerOptions: callsAtOnce(pair) }
        : { activeTools: [], providerOptions: says("It will.") },
  });
  t.is(asked.length, 1);
  t.deepEqual(
    steps.map(({ finishReason }) => finishReason),
    ["tool-calls", "stop"],
  );
  const [call] = steps[0]?.toolCalls ?? [];
  t.deepEqual([call?.toolName, call?.input], ["weather", { city: asked[0] }]);
  t.is(text, "It will.");
  t.deepEqual(
    response.messages.map(({ role }) => role),
    ["assistant", "tool", "assistant"],
  );
});

test("a call streams as a start, pieces of its input and an end, and with tools kept the next step reads what is new", async (t) => {
  const { pair, provider } = await openProvider(t);
  const stream = streamText({
    model: provider("small"),
    prompt: "Will it rain?",
    tools: { weather: tool({ inputSchema: city, execute: () => "yes" }), other: tool({ inputSchema: z.object({}) }) },
    toolChoice: { type: "tool", toolName: "weather" },
    providerOptions: callsAtOnce(pair),
    stopWhen: stepCountIs(2),
    prepareStep: ({ stepNumber }) => (stepNumber === 0 ? {} : { activeTools: ["weather"], toolChoice: "none" }),
  });
  const seen: string[] = [];
  let input = "";
  for await (const part of stream.fullStream) {
    if (part.type === "tool-input-delta") input += part.delta;
    if (part.type.startsWith("tool-") && part.type !== seen.at(-1)) seen.push(part.type);
  }
  t.deepEqual(seen, ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"]);
  const [first, second] = await stream.steps;
  t.deepEqual(JSON.parse(input), first?.toolCalls[0]?.input);
  const { cacheReadTokens = 0, noCacheTokens = 0 } = second?.usage.inputTokenDetails ?? {};
  t.true(cacheReadTokens > noCacheTokens, `${cacheReadTokens} tokens were held, ${noCacheTokens} read`);
});

test("a call that is cut short is none, and its stream has an end all the same", async (t) => {
  const { pair, provider } = await openProvider(t);
  const { stream } = await provider("small").doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: "Rain?" }] }],
    tools: [
      {
        type: "function",
        name: "weather",
        inputSchema: { type: "object", properties: { city: { const: "x".repeat(200) } }, required: ["city"] },
      },
    ],
    toolChoice: { type: "required" },
    providerOptions: callsAtOnce(pair),
    maxOutputTokens: 180,
  });
  const types = new Set<string>();
  let finish: unknown;
  for await (const part of stream) {
    types.add(part.type);
    if (part.type === "finish") finish = part.finishReason;
  }
  t.deepEqual([...types], ["stream-start", "tool-input-start", "tool-input-delta", "tool-input-end", "finish"]);
  t.deepEqual(finish, { unified: "length", raw: "length" });
});

test("every kind of result and every part of an assistant's message reaches the template", async (t) => {
  const { provider } = await openProvider(t);
  const outputs = [
    { type: "text", value: "plain" },
    { type: "json", value: { rain: true } },
    { type: "error-text", value: "no network" },
    { type: "error-json", value: { code: 7 } },
    { type: "execution-denied", reason: "not today" },
    { type: "execution-denied" },
    { type: "content", value: [{ type: "text", text: "piece" }] },
  ] as const;
  const tokensWith = async (output: object) => {
    const { usage } = await provider("small").doGenerate({
      prompt: [
        { role: "system", content: "Be brief." },
        { role: "user", content: [{ type: "text", text: "Rain?" }] },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "I look." },
            { type: "text", text: "Wait." },
            { type: "tool-call", toolCallId: "abcdefghi", toolName: "weather", input: { city: "Graz" } },
          ],
        },
        {
          role: "tool",
          content: [
            { type: "tool-approval-response" },
            { type: "tool-result", toolCallId: "abcdefghi", toolName: "weather", output: output as never },
          ],
        },
      ],
      maxOutputTokens: 1,
    });
    return usage.inputTokens.total ?? 0;
  };
  const nothing = await tokensWith({ type: "text", value: "" });
  for (const output of outputs) t.true((await tokensWith(output)) > nothing, output.type);
  await t.throwsAsync(tokensWith({ type: "content", value: [{ type: "image-url", url: "x" }] }), {
    message: /results of tools that are not text \(image-url\)/,
  });
});
