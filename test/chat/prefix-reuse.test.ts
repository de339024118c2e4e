/**
 * What a chat's session keeps: after any conversation it goes on like a new chat that reads everything from nothing, bit for
 * bit, and `usage` says what was read.
 */

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import type { Chat, ModelMessage, Pair } from "../../lib/index.js";
import type { PairRecipe } from "../engine/fixtures.js";
import { checkWithin } from "../support/check-within.js";
import { chatPair, prompts, read, says, template, withTemplate } from "./fixtures.js";

/** Greedy, short, with log-probabilities by which two answers are compared. */
const traced = { temperature: 0, maxTokens: 6, logProbs: 5 } as const;

const kinds = [
  "free",
  "said",
  "sampled",
  "undo",
  "continue",
  "cut",
  "stopped",
  "edited",
  "changed",
  "again",
  "failed",
] as const;

/** What somebody does with a chat. */
type Move = readonly [kind: (typeof kinds)[number], text: string];

const words = fc.array(fc.constantFrom("the", "rain", "Über", "🙂", "in", " 12", "\n"), {
  minLength: 1,
  maxLength: 12,
});
const moves: fc.Arbitrary<Move> = fc.tuple(
  fc.constantFrom(...kinds, "free" as const),
  words.map((all) => all.join(" ")),
);

async function play(chat: Chat, [kind, text]: Move): Promise<void> {
  const last = chat.messages.at(-1);
  if (kind === "free") await chat.send(text, { ...traced, maxTokens: 12 }).finished;
  else if (kind === "sampled") await chat.send(text, { temperature: 1, seed: 1, maxTokens: 12 }).finished;
  else if (kind === "said") {
    says(`It is ${text}.`);
    await chat.send(text).finished;
  } else if (kind === "undo") chat.undo();
  else if (kind === "continue" && last?.role === "assistant") await chat.continue({ ...traced }).finished;
  else if (kind === "cut") await chat.send(text, { temperature: 1, seed: 2, maxTokens: 30, stop: "e" }).finished;
  else if (kind === "stopped") {
    const stream = chat.send(text, { temperature: 0, maxTokens: 40 });
    for await (const part of stream) if (part.type === "text") break;
    await stream.finished;
  } else if (kind === "edited" && last?.role === "assistant")
    chat.setMessages([...chat.messages.slice(0, -1), { role: "assistant", content: text }]);
  else if (kind === "changed" || kind === "again") {
    const last = chat.messages.findLastIndex(({ role }) => role === "user");
    const index = kind === "again" ? last : [...text].length % chat.messages.length;
    const message = chat.messages[index];
    if (!message) return;
    chat.edit(index, kind === "again" ? message : text);
    if (message.role === "user") await chat.send(undefined, { temperature: 0, maxTokens: 12 }).finished;
  } else if (kind === "failed") await chat.send(text, { grammar: "root ::= (" }).finished.catch(() => {});
}

async function compare(pair: Pair, list: readonly Move[]): Promise<void> {
  await using chat = pair.chat({ system: "Be brief." });
  for (const move of list) {
    await play(chat, move);
    says();
  }
  const history: readonly ModelMessage[] = chat.messages;
  const going = await read(chat.send("And now?", traced));
  const goingTokens = prompts.at(-1);
  await using fresh = pair.chat({ history });
  const expected = await read(fresh.send("And now?", traced));
  const shown = list.map(([kind, text]) => `${kind} ${JSON.stringify(text)}`).join("; ");
  if (JSON.stringify(goingTokens) !== JSON.stringify(prompts.at(-1))) throw new Error(`another prompt after: ${shown}`);
  if (going.text !== expected.text || JSON.stringify(going.logProbs) !== JSON.stringify(expected.logProbs))
    throw new Error(`it goes on in another way after: ${shown}`);
  const { promptTokens, cachedTokens, refreshedTokens } = going.usage;
  const newTokens = going.steps[0]?.prefill.promptTokens ?? -1;
  if (newTokens + cachedTokens + refreshedTokens !== promptTokens)
    throw new Error(`${promptTokens} are not ${newTokens} + ${cachedTokens} + ${refreshedTokens} after: ${shown}`);
  if (expected.usage.cachedTokens !== 0 || expected.usage.refreshedTokens !== 0)
    throw new Error("a new chat has nothing");
}

async function prove(t: ExecutionContext, recipe: PairRecipe): Promise<void> {
  // Micro-batches of one token, so that it makes no difference where a reading began.
  const pair = await chatPair(t, { ...recipe, batchSize: 1, maxSessions: 2 });
  const property = fc.asyncProperty(fc.array(moves, { minLength: 1, maxLength: 5 }), (list) => compare(pair, list));
  const outcome = await checkWithin(property, { numRuns: 60, limitMs: 10_000, seed: 5 });
  t.false(outcome.failed, `${String(outcome.errorInstance)} ${JSON.stringify(outcome.counterexample)}`);
  t.true(outcome.numRuns >= 5, `${outcome.numRuns} runs`);
}

test.serial("a chat of a sharing pair goes on like a new one that reads everything", (t) => prove(t, {}));
test.serial("a chat of a translated pair does", (t) => prove(t, { handover: "translate" }));
test.serial("a chat with one model does", (t) => prove(t, { decode: undefined }));
for (const architecture of ["mamba", "lfm2"] as const)
  test.serial(`a chat of a pair with a recurrent state does (${architecture})`, (t) =>
    prove(t, {
      prefill: { architecture, contextLength: 4096, ...withTemplate(template) },
      decode: { architecture, seed: 2, contextLength: 4096 },
    }),
  );

test.serial("usage says what was kept, what was read again and what was read", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says("Fine, and you?", "I see.");
  const first = await read(chat.send("How are you?"));
  const second = await read(chat.send("Well."));
  const [before = [], after = []] = prompts;
  const common = after.findIndex((token, i) => token !== before[i]);
  t.is(common, before.length, "the first chat is the beginning of the second");
  t.is(second.usage.promptTokens, after.length);
  t.is(second.usage.cachedTokens, before.length);
  const answered = pair.tokenize("Fine, and you?").length;
  t.true(second.usage.refreshedTokens > 0 && second.usage.refreshedTokens <= first.usage.completionTokens);
  t.true(second.usage.refreshedTokens <= answered);
});

test.serial("an answer that is tokens in another way when it is read again is read again from there", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  // Single bytes, where the tokenizer would merge.
  const bytes = [..."the thing in the end"].map((character) => pair.tokenize(character)[0] ?? 0);
  const grammar = `root ::= ${bytes.map((token) => `<[${token}]>`).join(" ")}`;
  const first = await read(chat.send("Say it.", { grammar }));
  t.is(first.text, "the thing in the end");
  t.is(first.usage.completionTokens, bytes.length);
  const second = await read(chat.send("Again.", traced));
  const [before = []] = prompts;
  t.is(second.usage.cachedTokens, before.length);
  const again = pair.tokenize(first.text);
  const alike = again.findIndex((token, i) => token !== bytes[i]);
  t.true(alike < bytes.length - 1);
  t.is(second.usage.refreshedTokens, alike);
});

test.serial("a second tool's step reads only the results", async (t) => {
  const pair = await chatPair(t, { prefill: { contextLength: 4096, ...withTemplate(template) } });
  await using chat = pair.chat({
    tools: { look: { inputSchema: { type: "object", properties: {} }, execute: () => "clear" } },
  });
  says('<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>', "It is clear.");
  const answer = await read(chat.send("How is it?"));
  const [first, second] = answer.steps;
  t.is(second?.usage.cachedTokens, first?.usage.promptTokens);
});
