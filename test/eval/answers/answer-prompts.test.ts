/** Answers of a model to prompts: what is written, that it goes on, and what is refused. */

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  type AnswerProgress,
  type AnswerPromptsOptions,
  answerPrompts,
  type BadLine,
  heal,
} from "../../../lib/index.js";
import { quiet, refusal } from "../../engine/fixtures.js";
import { text } from "../../support/gguf-format.js";
import { lookupPair, lookups } from "../../support/lookups.js";
import { withTempDir } from "../../support/temp-dir.js";
import { writeTinyModel } from "../../support/tiny-model.js";
import { tinyShape, writeLines } from "../../train/fixtures.js";

const full = String(lookupPair.prefill.model);
const asked = lookups(21, { count: 10 });
const usual = { ...quiet, model: full, contextSize: 256, maxTokens: 12, sessions: 3 } as const;

interface Files {
  readonly folder: string;
  readonly data: string;
  readonly out: string;
}

function filesOf(t: ExecutionContext): Files {
  const folder = withTempDir(t);
  const prompts = asked.map(({ prompt }) => ({ prompt, response: "another model's" }));
  return { folder, data: writeLines(join(folder, "prompts.jsonl"), prompts), out: join(folder, "train.jsonl") };
}

const recordsOf = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Of more tokens than the context has. */
const long = asked.map(({ prompt }) => prompt).join("");

/** The trained model is sure of its words: this has it draw others. */
const wild = { temperature: 5, topK: 8, topP: 1, minP: 0 } as const;

/** An untrained model of the same vocabulary. */
async function tinyModel(folder: string, template?: string): Promise<string> {
  const metadata = template === undefined ? {} : { metadata: { "tokenizer.chat_template": text(template) } };
  return (await writeTinyModel(join(folder, "tiny.gguf"), { ...tinyShape, tokenizerFrom: full, ...metadata })).path;
}

test("a trained model's answers are training data in the prompts' order", async (t) => {
  const { folder, data, out } = filesOf(t);
  const news: AnswerProgress[] = [];
  const result = await answerPrompts({
    ...{ ...usual, data, out, temperature: 0 },
    onProgress: (progress) => news.push(progress),
  });
  t.like(result, { path: out, prompts: 10, answers: 10, kept: 10, cutOff: 0, duplicates: 0, failed: 0 });
  t.false("firstPrompt" in result);
  t.true(result.tokens >= 10 && result.tokensPerSecond > 0 && result.ms > 0);
  t.deepEqual(
    recordsOf(out),
    asked.map(({ prompt, answer }) => ({ prompt, response: answer })),
  );
  const answering = news.filter(({ stage }) => stage === "answering");
  t.deepEqual(
    answering.map(({ prompts }) => prompts),
    Array.from({ length: 11 }, (_, i) => i),
  );
  t.like(answering.at(-1), { totalPrompts: 10, kept: 10, fraction: 1, tokens: result.tokens });
  t.true(news.some(({ stage }) => stage === "loading"));

  const student = String(lookupPair.decode.model);
  const healed = await heal({ ...quiet, full, student, data: out, out: join(folder, "h.gguf"), maxSteps: 1 });
  t.is(healed.badLines.length, 0);
});

test("answers to one prompt differ, and those that nearly do not are left out", async (t) => {
  const { data, out } = filesOf(t);
  const greedy = await answerPrompts({ ...usual, data, out, temperature: 0, answers: 3 });
  t.like(greedy, { answers: 30, kept: 10, duplicates: 20 });
  t.is(recordsOf(out).length, 10);
  const all = await answerPrompts({ ...usual, data, out, temperature: 0, answers: 3, keepDuplicates: true });
  t.like(all, { answers: 30, kept: 30, duplicates: 0 });
  const drawn = await answerPrompts({ ...usual, ...wild, data, out, answers: 3, keepCut: true });
  t.true(drawn.kept > 20, JSON.stringify(drawn));
});

test("what comes to no end is left out, or kept as a text", async (t) => {
  const { data, out } = filesOf(t);
  const left = await answerPrompts({ ...usual, data, out, temperature: 0, maxTokens: 1 });
  t.like(left, { answers: 10, kept: 0, cutOff: 10 });
  t.is(readFileSync(out, "utf8"), "");
  const kept = await answerPrompts({ ...usual, data, out, temperature: 0, maxTokens: 1, keepCut: true });
  t.like(kept, { answers: 10, kept: 10, cutOff: 0 });
  for (const [i, { text }] of recordsOf(out).entries()) {
    const { prompt, answer } = asked[i] ?? { prompt: "", answer: "" };
    const word = String(text).slice(prompt.length);
    t.true(String(text).startsWith(prompt) && word !== "" && answer.startsWith(word), String(text));
  }
});

test("deterministic answers do not depend on how many are written at once", async (t) => {
  const { folder, data, out } = filesOf(t);
  const common = { ...usual, data, ...wild, answers: 3, deterministic: true, keepCut: true } as const;
  await answerPrompts({ ...common, out, sessions: 1 });
  const other = join(folder, "other.jsonl");
  for (const sessions of [2, 5]) {
    await answerPrompts({ ...common, out: other, sessions });
    t.is(readFileSync(other, "utf8"), readFileSync(out, "utf8"), String(sessions));
  }
  await answerPrompts({ ...common, out: other, seed: 2 });
  t.not(readFileSync(other, "utf8"), readFileSync(out, "utf8"));
});

test("a prompt's answers do not depend on the prompts beside it", async (t) => {
  const { folder, data, out } = filesOf(t);
  const common = { ...usual, ...wild, deterministic: true, keepCut: true } as const;
  await answerPrompts({ ...common, data, out });
  const reversed = writeLines(join(folder, "reversed.jsonl"), asked.slice(4).reverse());
  const other = join(folder, "other.jsonl");
  await answerPrompts({ ...common, data: reversed, out: other });
  const lines = readFileSync(out, "utf8").split("\n");
  for (const line of readFileSync(other, "utf8").split("\n")) t.true(lines.includes(line), line);
});

test("a run that was aborted goes on to the same bytes and counts", async (t) => {
  const { folder, data: own, out } = filesOf(t);
  const data = writeLines(join(folder, "more.jsonl"), [
    ...asked.slice(0, 2),
    { prompt: long },
    "{ no",
    ...asked.slice(2),
  ]);
  const common = { ...usual, data, ...wild, answers: 2, deterministic: true } as const;
  const whole = await answerPrompts({ ...common, out });
  t.is(whole.prompts, 11);
  t.deepEqual(
    whole.badLines.map(({ line }) => line),
    [4, 3],
  );

  const other = join(folder, "other.jsonl");
  for (const until of [1, 4, 8]) {
    const controller = new AbortController();
    const reason = new Error(`after ${until}`);
    const options = { ...common, out: other, resume: true, sessions: until, signal: controller.signal };
    const onProgress = ({ prompts, stage }: AnswerProgress) => {
      if (stage === "answering" && prompts >= until) controller.abort(reason);
    };
    t.is(await t.throwsAsync(answerPrompts({ ...options, onProgress })), reason);
    // As a kill may leave it.
    appendFileSync(other, '{"prompt":"cu');
    appendFileSync(`${other}.progress`, '{"prom');
  }
  const told: BadLine[] = [];
  const resumed = await answerPrompts({ ...common, out: other, resume: true, onBadLine: (line) => told.push(line) });
  t.is(readFileSync(other, "utf8"), readFileSync(out, "utf8"));
  t.is(readFileSync(`${other}.progress`, "utf8"), readFileSync(`${out}.progress`, "utf8"));
  t.true((resumed.firstPrompt ?? 0) >= 8);
  t.deepEqual(
    [resumed.answers, resumed.kept, resumed.cutOff, resumed.duplicates, resumed.failed, resumed.tokens],
    [whole.answers, whole.kept, whole.cutOff, whole.duplicates, whole.failed, whole.tokens],
  );
  t.deepEqual(told, whole.badLines);

  const again = await answerPrompts({ ...common, out: other, resume: true });
  t.like(again, { prompts: 11, firstPrompt: 11, tokens: whole.tokens, tokensPerSecond: 0 });
  for (const [fact, more] of [
    ["seed", { seed: 2 }],
    ["answers", { answers: 1 }],
    ["data", { data: own }],
    ["model", { model: String(lookupPair.decode.model) }],
    ["contextSize", { contextSize: 512 }],
  ] as const) {
    const error = await refusal(
      t,
      "ERR_CHECKPOINT_INVALID",
      answerPrompts({ ...common, ...more, out: other, resume: true }),
    );
    t.is(error.details.fact, fact);
  }
  t.is(readFileSync(other, "utf8"), readFileSync(out, "utf8"));
});

test("windows of plain text are gone on with", async (t) => {
  const { folder, out } = filesOf(t);
  const document = join(folder, "a.txt");
  const short = join(folder, "b.txt");
  writeFileSync(document, long);
  writeFileSync(short, " Tim ball red kitchen");
  const fromText = [document, short];
  const result = await answerPrompts({ ...usual, ...wild, fromText, promptTokens: 20, out });
  t.true(result.prompts >= 15, String(result.prompts));
  t.like(result, { answers: result.prompts, cutOff: 0 });
  t.true(result.kept > 10, JSON.stringify(result));
  const begins = (text: string) => text.slice(0, 15);
  for (const { text, prompt } of recordsOf(out)) {
    const whole = String(text ?? prompt);
    t.true(long.includes(begins(whole)) || whole.includes("Tim ball red kitchen"), whole);
  }
});

test("with a template a window is what a user asks about", async (t) => {
  const { folder, out } = filesOf(t);
  const source =
    "{% for m in messages %} {{ m.role }} {{ m.content }}{% endfor %}{% if add_generation_prompt %} assistant{% endif %}";
  const model = await tinyModel(folder, source);
  const document = join(folder, "a.txt");
  writeFileSync(document, long);
  // Most tokens of the vocabulary are words, but a long answer of any tokens is hardly ever text.
  const even = { temperature: 2, topK: 0, topP: 1, minP: 0 } as const;
  const asking = {
    fromText: [document],
    promptTokens: 200,
    answers: 16,
    template: "a {text} b $&",
    out,
    keepCut: true,
  };
  const result = await answerPrompts({ ...usual, ...asking, model, contextSize: 512, maxTokens: 1, ...even });
  t.true(result.prompts >= 2);
  t.true(result.kept > 0, JSON.stringify(result));
  for (const { messages } of recordsOf(out)) {
    const [user, assistant] = messages as { role: string; content: string }[];
    t.is(user?.role, "user");
    t.regex(user?.content ?? "", /^a [\s\w]{100,} b \$&$/);
    t.is(assistant?.role, "assistant");
  }
  const chats = writeLines(join(folder, "chats.jsonl"), [{ messages: [{ role: "user", content: " Tim ball" }] }]);
  t.is((await answerPrompts({ ...usual, model, data: chats, out, keepCut: true })).prompts, 1);
  await refusal(t, "ERR_MODEL_UNSUPPORTED", answerPrompts({ ...usual, ...asking, contextSize: 512 }));
});

const refusals: readonly (readonly [
  title: string,
  code:
    | "ERR_INVALID_ARGUMENT"
    | "ERR_DATA_INVALID"
    | "ERR_FILE_READ_FAILED"
    | "ERR_FILE_WRITE_FAILED"
    | "ERR_MODEL_NOT_FOUND",
  options: (files: Files) => Partial<AnswerPromptsOptions>,
  message: RegExp,
])[] = [
  [
    "neither data nor text",
    "ERR_INVALID_ARGUMENT",
    () => ({ data: undefined }),
    /options\.data: expected data, fromText/,
  ],
  [
    "an output that is the data",
    "ERR_INVALID_ARGUMENT",
    ({ data }) => ({ out: data }),
    /options\.out: expected a file/,
  ],
  [
    "a template without a text",
    "ERR_INVALID_ARGUMENT",
    () => ({ template: "{text}" }),
    /options\.template: expected fromText/,
  ],
  ["data that is not there", "ERR_FILE_READ_FAILED", () => ({ data: "none.jsonl" }), /none\.jsonl does not exist/],
  ["a text that is not there", "ERR_FILE_READ_FAILED", () => ({ fromText: ["none.txt"] }), /none\.txt does not exist/],
  [
    "data without a prompt",
    "ERR_DATA_INVALID",
    ({ folder }) => ({ data: writeLines(join(folder, "d"), []) }),
    /it is empty/,
  ],
  [
    "too many bad lines",
    "ERR_DATA_INVALID",
    ({ folder }) => ({ data: writeLines(join(folder, "d"), [{ text: "a" }]), maxBadLines: 0 }),
    /d:1: it has none of the known fields/,
  ],
  [
    "too many prompts that are too long",
    "ERR_DATA_INVALID",
    ({ folder }) => ({ data: writeLines(join(folder, "d"), [{ prompt: long }]), maxBadLines: 0 }),
    /d:1: \d+ tokens, more than the 256 of the context/,
  ],
  [
    "an output in no folder",
    "ERR_FILE_WRITE_FAILED",
    ({ folder }) => ({ out: join(folder, "none", "o") }),
    /cannot be written/,
  ],
  ["a model that is not there", "ERR_MODEL_NOT_FOUND", () => ({ model: "none.gguf" }), /none\.gguf/],
];

for (const [title, code, more, message] of refusals)
  test(`${title} is refused`, async (t) => {
    const files = filesOf(t);
    const error = await refusal(t, code, answerPrompts({ ...usual, data: files.data, out: files.out, ...more(files) }));
    t.regex(error.message, message);
    if (code !== "ERR_DATA_INVALID") t.false(existsSync(files.out));
  });

test("it does not begin once its signal has fired", async (t) => {
  const { data, out } = filesOf(t);
  const reason = new Error("too late");
  t.is(await t.throwsAsync(answerPrompts({ ...usual, data, out, signal: AbortSignal.abort(reason) })), reason);
  t.false(existsSync(out));
});
