/** Pairs whose prompts a server reads: what they write, what crosses, and what they refuse. */

import test from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import type { LoadPairOptions, Pair } from "../../lib/index.js";
import { answerAlone, greedy, openPair, quiet, readAnswer, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import type { TinyModelOptions } from "../support/tiny-model.js";
import { full, type Models, openReader, openWriter, small, wireTo, writeModels } from "./prefill-fixtures.js";

const prompts = [someTokens(300, 1), someTokens(40, 2), someTokens(7, 3)];

/** Three turns of a conversation, token by token. */
async function conversation(pair: Pair) {
  await using session = await pair.createSession();
  const turns = [];
  for (const prompt of prompts) {
    const prefill = await session.prefill(prompt);
    const report = await session.switch();
    turns.push({ prefill, report, answer: await readAnswer(session.decode(traced(12))) });
  }
  return turns;
}

type Variant = readonly [
  title: string,
  recipe: {
    readonly full?: TinyModelOptions;
    readonly small?: TinyModelOptions;
    readonly server?: Partial<LoadPairOptions>;
  } & {
    readonly client?: object;
  },
];

const slidingWindow = { window: 16, pattern: 2 };
const of = (architecture: NonNullable<TinyModelOptions["architecture"]>, more: TinyModelOptions = {}): Variant[1] => ({
  full: { architecture, contextLength: 1024, nFf: 256, ...more },
  small: { architecture, contextLength: 1024, nFf: 64, seed: 2, ...more },
});

const variants: readonly Variant[] = [
  ["a plain pair", {}],
  ["a pair that translates", { server: { handover: "translate" } }],
  [
    "caches in q8_0",
    { server: { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }, client: { cacheTypeK: "q8_0", cacheTypeV: "q8_0" } },
  ],
  ["a transposed V", { server: { flashAttention: false }, client: { flashAttention: false } }],
  ["small micro-batches", { server: { batchSize: 32 } }],
  [
    "a layer map",
    {
      full: { nLayers: 5, contextLength: 1024 },
      small: { layers: [1, 3, 4], contextLength: 1024 },
      server: { translator: { layers: [1, 3, 4] } },
    },
  ],
  ["qwen3", of("qwen3")],
  ["gemma3 with windows", of("gemma3", { slidingWindow })],
  ["phi3", of("phi3")],
  ["several sessions in streams", { server: { maxSessions: 3 }, client: { maxSessions: 3 } }],
  ["pools of cells", { server: { cacheTokens: 2048, maxSessions: 2 }, client: { cacheTokens: 2048, maxSessions: 2 } }],
];

for (const [title, { full: one = full, small: other = small, server = {}, client = {} }] of variants)
  test(`three turns are the local pair's: ${title}`, async (t) => {
    const models = await writeModels(t, one, other);
    const { pair, server: running } = await openReader(t, models, server as object);
    const local = await conversation(await openPair(t, { ...models, contextSize: 1024, ...(server as object) }));
    const writer = await openWriter(t, models, running.url, client);
    const turns = await conversation(writer);
    const metrics = pair.metrics();
    t.is(metrics.decodeTokens, 0, "the server wrote");
    for (const [i, turn] of turns.entries()) {
      t.deepEqual(turn.answer.tokens, local[i]?.answer.tokens);
      t.deepEqual(turn.answer.logProbs, local[i]?.answer.logProbs);
      t.is(turn.prefill.refreshedTokens, local[i]?.prefill.refreshedTokens as number);
      t.is(turn.prefill.contextTokens, local[i]?.prefill.contextTokens as number);
      t.true(turn.report.bytes > 0);
    }
  });

test("a prompt of many micro-batches is the local pair's", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models, { batchSize: 64 });
  const local = await openPair(t, { ...models, contextSize: 1024, batchSize: 64 });
  const writer = await openWriter(t, models, server.url);
  const prompt = someTokens(700);
  const [here, there] = [await answerAlone(local, prompt, traced(20)), await answerAlone(writer, prompt, traced(20))];
  t.deepEqual(there.tokens, here.tokens);
  t.deepEqual(there.logProbs, here.logProbs);
});

test("texts, spaces between them and drawn tokens are the local pair's", async (t) => {
  const models = await writeModels(t, { ...full, tokenizer: "spm" }, { ...small, tokenizer: "spm" });
  const { server } = await openReader(t, models);
  const pairs = [await openPair(t, { ...models, contextSize: 1024 }), await openWriter(t, models, server.url)];
  const texts = [];
  for (const pair of pairs) {
    await using session = await pair.createSession();
    await session.prefill("Once upon a time ");
    await session.prefill("there was a bird.");
    await session.switch();
    const answer = await readAnswer(session.decode({ temperature: 1, seed: 7, maxTokens: 24, ignoreEos: true }));
    texts.push([session.stats().contextTokens, answer.text]);
  }
  t.deepEqual(texts[1], texts[0]);
});

test("one model at two quantisations: the server has no decode model", async (t) => {
  const models = await writeModels(t, { ...full, weightType: "f32" }, { ...full, weightType: "q8_0" });
  const server = await openReader(t, { ...models, decode: models.prefill });
  const local = await conversation(await openPair(t, { ...models, contextSize: 1024 }));
  const turns = await conversation(await openWriter(t, models, server.server.url));
  t.deepEqual(
    turns.map(({ answer }) => answer.tokens),
    local.map(({ answer }) => answer.tokens),
  );
});

test("what crosses is little more than the new cells", async (t) => {
  const models = await writeModels(t);
  const { server, pair } = await openReader(t, models);
  const wire = await wireTo(t, server.port);
  const writer = await openWriter(t, models, wire.url);
  await using session = await writer.createSession();
  const vocabulary = 4 * writer.info.prefill.vocabularySize;
  for (const [i, prompt] of prompts.entries()) {
    const before = wire.received;
    const { promptTokens, refreshedTokens } = await session.prefill(prompt);
    const cells = (promptTokens + refreshedTokens) * pair.info.kvBytesPerToken;
    const { bytes } = await session.switch();
    t.is(bytes, cells, `turn ${i}`);
    const crossed = wire.received - before;
    t.log(
      `${promptTokens + refreshedTokens} tokens: ${crossed} bytes for ${cells} of cells and ${vocabulary} of logits`,
    );
    t.true(crossed - vocabulary <= 1.05 * cells + 2000, `turn ${i}: ${crossed} for ${cells}`);
    await readAnswer(session.decode({ ...greedy, maxTokens: 5, ignoreEos: true }));
  }
});

test("many clients share what the reader has read", async (t) => {
  const models = await writeModels(t);
  const { server, pair } = await openReader(t, models, { maxSessions: 2, prefixCache: {} });
  const writers = await Promise.all([1, 2, 3].map(() => openWriter(t, models, server.url)));
  const common = someTokens(500, 5);
  const answers = [];
  for (const writer of writers) answers.push(await answerAlone(writer, common, { ...greedy, maxTokens: 8 }));
  t.true(pair.metrics().prefillTokens < 2 * common.length, String(pair.metrics().prefillTokens));
  t.deepEqual(answers[1]?.tokens, answers[0]?.tokens);
  t.deepEqual(answers[2]?.tokens, answers[0]?.tokens);
  const tail = writers.map((writer, i) =>
    answerAlone(writer, [...common, ...someTokens(9, i)], { ...greedy, maxTokens: 8 }),
  );
  t.is((await Promise.all(tail)).length, 3);
});

test("what was fetched is kept for this machine's other sessions", async (t) => {
  const models = await writeModels(t);
  const { server, pair } = await openReader(t, models);
  const writer = await openWriter(t, models, server.url, { prefixCache: {}, maxSessions: 2 });
  const prompt = someTokens(300);
  const [first, second] = [await answerAlone(writer, prompt, traced(8)), await answerAlone(writer, prompt, traced(8))];
  t.deepEqual(second.tokens, first.tokens);
  await using session = await writer.createSession();
  t.is((await session.prefill(prompt)).cachedTokens, 299);
  t.is((await session.switch()).bytes, pair.info.kvBytesPerToken);
  t.is((await writer.warm([...prompt, ...someTokens(20, 2)])).cachedTokens, 300);
});

test("a chat goes on, turn by turn, as the local pair's", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const pairs = [await openPair(t, { ...models, contextSize: 1024 }), await openWriter(t, models, server.url)];
  const said = [];
  for (const pair of pairs) {
    await using chat = pair.chat({ template: "chatml" });
    const brief = { maxTokens: 12, temperature: 0 };
    said.push([await chat.send("One", brief).finished, await chat.send("Two", brief).finished].map(({ text }) => text));
  }
  t.deepEqual(said[1], said[0]);
});

test("a session that is forked, cut, saved and restored goes on", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const writer = await openWriter(t, models, server.url, { maxSessions: 3 });
  await using session = await writer.createSession();
  await session.prefill(someTokens(100));
  await session.switch();
  await using fork = await session.fork();
  const file = `${withTempDir(t)}/session`;
  await session.save(file);
  await using restored = await writer.restore(file);
  const answers = [];
  for (const one of [session, fork, restored]) answers.push((await readAnswer(one.decode(traced(10)))).tokens);
  t.deepEqual(answers[1], answers[0]);
  t.deepEqual(answers[2], answers[0]);
  // Only the two models together make such a session.
  const alone = await openPair(t, { prefill: models.decode, contextSize: 1024 });
  await refusal(t, "ERR_SAVED_SESSION_MISMATCH", alone.restore(file));
  await session.truncate(60);
  await session.prefill(someTokens(5, 8));
  await session.switch();
  t.is((await readAnswer(session.decode(traced(4)))).tokens.length, 4);
});

test("a prompt in place of another keeps what they have in common", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const wire = await wireTo(t, server.port);
  const writer = await openWriter(t, models, wire.url);
  await using session = await writer.createSession();
  await session.prefill(someTokens(400, 1));
  const before = wire.received;
  const { keptTokens, promptTokens } = await session.prefill(
    [...someTokens(400, 1).slice(0, 390), ...someTokens(5, 9)],
    {
      replace: true,
    },
  );
  t.is(keptTokens, 390);
  t.is(promptTokens, 5);
  t.true(wire.received - before < 60_000);
});

test("in a host, and from a server whose models have hosts", async (t) => {
  const models = await writeModels(t);
  const server = await openReader(t, models);
  const prefill = { url: server.server.url };
  const writer = await loadPairInHost({ ...quiet, prefill, decode: { model: models.decode }, contextSize: 1024 });
  t.teardown(() => writer.dispose());
  const behind = await loadPairInHost({
    ...{ ...quiet, prefixCache: false, contextSize: 1024 },
    ...{ prefill: { model: models.prefill }, decode: { model: models.decode } },
  });
  t.teardown(() => behind.dispose());
  const { serve } = await import("../../lib/server/index.js");
  const second = await serve({ models: { big: behind }, port: 0 });
  t.teardown(() => second.close());
  const local = await openPair(t, { ...models, contextSize: 1024 });
  const expected = await answerAlone(local, prompts[0] as number[], traced(10));
  t.deepEqual((await answerAlone(writer, prompts[0] as number[], traced(10))).tokens, expected.tokens);
  const other = await openWriter(t, models, second.url);
  t.deepEqual((await answerAlone(other, prompts[0] as number[], traced(10))).tokens, expected.tokens);
});

test("what needs the prefill model is refused", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const writer = await openWriter(t, models, server.url);
  await using session = await writer.createSession();
  await session.prefill(someTokens(20));
  await refusal(t, "ERR_REMOTE_UNSUPPORTED", session.switch({ writer: "prefill" }));
  await session.switch();
  for (const options of [
    { quality: "exact" },
    { refreshInterval: 4 },
    { refreshBudget: 0.5 },
    { quality: { acceptance: 0.5 } },
  ])
    await refusal(t, "ERR_REMOTE_UNSUPPORTED", readAnswer(session.decode(options as object)), JSON.stringify(options));
  await refusal(t, "ERR_REMOTE_UNSUPPORTED", session.prefill(someTokens(3), { refresh: false }));
  await refusal(t, "ERR_REMOTE_UNSUPPORTED", writer.createSession({ writer: "prefill" }));
  await session.dispose();
  await refusal(t, "ERR_REMOTE_UNSUPPORTED", writer.score(someTokens(4), [someTokens(4)]));
});

const differing: readonly (readonly [string, TinyModelOptions, object, RegExp])[] = [
  ["another model", { ...small, nEmbd: 32 }, {}, /model/],
  ["another cache type", small, { cacheTypeK: "q8_0" }, /K/],
  ["another layout of V", small, { flashAttention: false }, /layout of V/],
  [
    "another vocabulary",
    { ...small, vocabEdit: (tokens) => tokens.map((one, i) => (i === 100 ? "other" : one)) },
    {},
    /vocabulary/,
  ],
  ["fewer layers", { ...small, nLayers: 3 }, {}, /model/],
];

for (const [title, options, client, fact] of differing)
  test(`a decode model with ${title} is refused, with what differs`, async (t) => {
    const models = await writeModels(t);
    const { server } = await openReader(t, models);
    const other: Models = await writeModels(t, full, options);
    const { details } = await refusal(t, "ERR_REMOTE_MISMATCH", openWriter(t, other, server.url, client));
    t.true(
      Object.keys(details).some((name) => fact.test(name)),
      JSON.stringify(details),
    );
  });

test("memory that is more than K and V is refused", async (t) => {
  for (const architecture of ["mamba", "lfm2"] as const) {
    const models = await writeModels(t, { architecture }, { architecture, seed: 2 });
    const { server } = await openReader(t, models, { contextSize: 256 });
    const opened = openWriter(t, models, server.url, { contextSize: 256 });
    const { details } = await refusal(t, "ERR_REMOTE_UNSUPPORTED", opened);
    t.is(details.feature, "memory");
  }
});

const refused: readonly (readonly [string, object])[] = [
  ["no decode model", { decode: undefined }],
  ["the prefill model as the writer", { decode: "prefill" }],
  ["a translator", { translator: "x.gguf" }],
  ["a handover", { handover: "share" }],
  ["a plain connection to another machine", { prefill: { url: "http://192.0.2.1:8080" } }],
  ["another scheme", { prefill: { url: "ftp://127.0.0.1/" } }],
  ["a model beside the server", { prefill: { url: "http://127.0.0.1:1", gpuLayers: 3 } }],
  ["a key that no header takes", { prefill: { url: "http://127.0.0.1:1", key: "a\nb" } }],
];

for (const [title, options] of refused)
  test(`${title} is refused before anything is asked`, async (t) => {
    const models = await writeModels(t);
    const { loadPair } = await import("../../lib/index.js");
    const asked = { ...quiet, prefill: { url: "http://127.0.0.1:1" }, decode: { model: models.decode }, ...options };
    await refusal(t, "ERR_INVALID_ARGUMENT", loadPair(asked as LoadPairOptions));
  });
