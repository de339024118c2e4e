/** `/v1/completions`, and what shows how a model sees texts: tokens, templates. */

import test from "ava";
import { openServer, user, weather } from "./fixtures.js";

const path = "/v1/completions";

test("a prompt is gone on with as it is: whole, in a stream, from tokens, several at once", async (t) => {
  const { json, events } = await openServer(t);
  const { status, body } = await json(path, { prompt: "Say h" });
  t.is(status, 200, JSON.stringify(body));
  t.regex(body.id, /^cmpl-/);
  t.deepEqual(body.choices, [{ index: 0, text: "Good day.", logprobs: null, finish_reason: "stop" }]);
  t.is(body.timings.prompt_n, body.usage.prompt_tokens);
  const told = await events(path, { prompt: "Say h", stream_options: { include_usage: true } });
  t.is(told.map(({ choices: [choice] }) => choice?.text ?? "").join(""), "Good day.");
  t.is(told.at(-1).usage.prompt_tokens, body.usage.prompt_tokens);
  const { tokens } = (await json("/tokenize", { content: "Say h", add_special: true })).body;
  t.is((await json(path, { prompt: tokens })).body.choices[0].text, "Good day.");
  const many = await json(path, { prompt: [tokens, "Say h", "!"], n: 2 });
  t.deepEqual(
    many.body.choices.map(({ text }: { text: string }) => text),
    [...Array(4).fill("Good day."), "It rains.", "It rains."],
  );
  t.true(many.body.usage.prompt_tokens < 3 * body.usage.prompt_tokens);
});

test("log-probabilities come as completions have them", async (t) => {
  const { json, events } = await openServer(t);
  const asked = { prompt: "Say h", logprobs: 2, max_tokens: 2 };
  const { logprobs, text, finish_reason } = (await json(path, asked)).body.choices[0];
  t.deepEqual([text, finish_reason], ["Good day.", "length"]);
  t.deepEqual(
    [logprobs.tokens, logprobs.text_offset],
    [
      ["Good", " day."],
      [0, 4],
    ],
  );
  t.is(Object.keys(logprobs.top_logprobs[0]).length, 2);
  const told = await events(path, asked);
  t.deepEqual(
    told.flatMap(({ choices }) => choices[0]?.logprobs?.tokens ?? []),
    ["Good", " day."],
  );
});

test("the same prompt is not read again", async (t) => {
  const { json } = await openServer(t);
  const prompt = "Once upon a time in a land far away, say h";
  const { usage } = (await json(path, { prompt })).body;
  t.is(usage.prompt_tokens_details.cached_tokens, 0);
  const again = (await json(path, { prompt })).body.usage;
  t.is(again.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1);
});

test("texts become tokens and come back, with pieces, and with BOS if asked", async (t) => {
  const { json } = await openServer(t);
  const content = "Hello,you-there?";
  const { tokens } = (await json("/tokenize", { content })).body;
  t.true(tokens.length > 5);
  t.is((await json("/detokenize", { tokens })).body.content, content);
  const pieces = (await json("/tokenize", { content, with_pieces: true })).body.tokens;
  t.is(pieces.map(({ piece }: { piece: string }) => piece).join(""), content);
  t.deepEqual(
    pieces.map(({ id }: { id: number }) => id),
    tokens,
  );
  const beyond = await json("/detokenize", { tokens: [1e9] });
  t.deepEqual([beyond.status, beyond.body.error.param?.split(".")[0]], [400, "tokens"]);
});

test("a chat is shown as its template renders it, and counted", async (t) => {
  const { json } = await openServer(t);
  const messages = [{ role: "system", content: "You are a test." }, ...user("Hi there")];
  const { prompt } = (await json("/apply-template", { messages, tools: [weather] })).body;
  t.true(prompt.includes("system:You are a test.") && prompt.includes("user:Hi there") && prompt.includes('"weather"'));
  t.true((await json("/v1/chat/completions/input_tokens", { messages })).body.input_tokens > 5);
});

test("what a completion cannot do is refused by name", async (t) => {
  const { json } = await openServer(t);
  for (const [more, param] of [
    [{ prompt: undefined }, "prompt"],
    [{ prompt: [] }, "prompt"],
    [{ suffix: "x" }, "suffix"],
    [{ echo: true }, "echo"],
    [{ best_of: 2 }, "best_of"],
    [{ json_schema: {} }, "json_schema"],
    [{ prompt: "x".repeat(5000) }, "prompt"],
    [{ prompt: Array(17).fill("x") }, "prompt"],
  ] as readonly (readonly [object, string])[]) {
    const { status, body } = await json(path, { prompt: "x", ...more });
    t.is(status, 400, JSON.stringify([more, body]));
    t.is(body.error.param, param, JSON.stringify(body));
  }
});
