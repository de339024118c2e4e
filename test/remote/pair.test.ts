/** Pairs whose prefill model lies on another machine's devices: what they write, and what crosses. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type LoadPairOptions, loadPair, type Pair } from "../../lib/index.js";
import { answer, distance, greedy, quiet, readAnswer, someTokens, traced } from "../engine/fixtures.js";
import { runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyAdapter } from "../support/tiny-adapter.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { type LentDevices, lend, newKey } from "./fixtures.js";

const full: TinyModelOptions = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 1024 };
const small: TinyModelOptions = { nEmbd: 64, nFf: 64, nLayers: 4, contextLength: 1024, seed: 2 };

interface Models {
  readonly prefill: string;
  readonly decode: string;
}

async function models(t: ExecutionContext, kind: TinyModelOptions = {}): Promise<Models> {
  const dir = withTempDir(t);
  const prefill = await writeTinyModel(join(dir, "prefill.gguf"), { ...full, ...kind });
  const decode = await writeTinyModel(join(dir, "decode.gguf"), { ...small, ...kind });
  return { prefill: prefill.path, decode: decode.path };
}

async function open(
  t: ExecutionContext,
  { prefill, decode }: { readonly prefill: string; readonly decode?: string | undefined },
  lent: readonly LentDevices[] | undefined,
  { place, ...options }: Partial<LoadPairOptions> & { readonly place?: object } = {},
): Promise<Pair> {
  const pair = await loadPair({
    ...quiet,
    prefixCache: false,
    contextSize: 1024,
    ...options,
    prefill: { model: prefill, ...(lent && { devices: lent.map(({ url }) => url) }), ...place },
    ...(decode !== undefined && { decode: { model: decode } }),
    // What connects, and what it connects to, is this process, in which other tests compute meanwhile.
    ...(lent && { remote: { inProcess: true, timeoutMs: 60_000 } }),
  });
  t.teardown(() => pair.dispose());
  return pair;
}

const prompts = [someTokens(300, 1), someTokens(40, 2), someTokens(7, 3)];

/** Three turns of a conversation, token by token. */
async function conversation(pair: Pair, options: { readonly refresh?: boolean } = {}) {
  await using session = await pair.createSession();
  const turns = [];
  for (const prompt of prompts) {
    await session.prefill(prompt, options);
    const report = await session.switch();
    turns.push({ report, answer: await readAnswer(session.decode(traced(12))) });
  }
  return turns;
}

const variants: readonly [title: string, options: Partial<LoadPairOptions>, refresh?: boolean][] = [
  ["a plain pair", {}],
  ["a cache in q8_0", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["a transposed V", { flashAttention: false }],
  ["small micro-batches", { batchSize: 32 }],
  ["the decode model's cells sent back", {}, false],
];

for (const [title, options, refresh = true] of variants)
  test(`three turns are the local pair's: ${title}`, async (t) => {
    const files = await models(t);
    // The local pair copies as well: what is compared is the network.
    const local = await conversation(await open(t, files, undefined, { ...options, handover: "translate" }), {
      refresh,
    });
    const remote = await conversation(await open(t, files, [await lend(t)], options), { refresh });
    for (const [i, turn] of remote.entries()) {
      t.is(turn.report.kind, "translate");
      t.deepEqual(turn.answer.tokens, local[i]?.answer.tokens);
      t.is(turn.report.tokens, local[i]?.report.tokens ?? -1);
      for (const [j, step] of turn.answer.logProbs.entries())
        t.true(distance(step, local[i]?.answer.logProbs[j]) < 1e-3, `turn ${i}, token ${j}`);
    }
  });

test("one file reads there and writes here", async (t) => {
  const { prefill } = await models(t);
  const local = await open(t, { prefill }, undefined);
  const remote = await open(t, { prefill, decode: prefill }, [await lend(t)]);
  t.false(remote.info.writers.decode?.plan.oneFile);
  const tokens = async (pair: Pair) => (await conversation(pair)).map((turn) => turn.answer.tokens);
  t.deepEqual(await tokens(remote), await tokens(local));
});

test("without a decode model all of it is computed there", async (t) => {
  const { prefill } = await models(t);
  const tokens = async (pair: Pair) => (await conversation(pair)).map((turn) => turn.answer.tokens);
  const remote = await open(t, { prefill }, [await lend(t)]);
  t.deepEqual(await tokens(remote), await tokens(await open(t, { prefill }, undefined)));
});

test("two servers have the layers by their shares, through a tunnel", async (t) => {
  const files = await models(t);
  const [first, second] = [newKey(t), newKey(t)];
  const lent = [await lend(t, { key: first.key }), await lend(t, { key: second.key })];
  const devices = lent.map(({ url }, i) => ({ url, key: [first, second][i]?.file }));
  const remote = await open(t, files, lent, { place: { devices, split: [1, 1] } });
  const local = await conversation(await open(t, files, undefined, { handover: "translate" }));
  const turns = await conversation(remote);
  t.deepEqual(
    turns.map((turn) => turn.answer.tokens),
    local.map((turn) => turn.answer.tokens),
  );
  // Both compute: their share of the weights went to each.
  const sent = lent.map(({ front }) => front.traffic.receivedBytes);
  t.true(Math.min(...sent) > 0.25 * Math.max(...sent), sent.join());
});

test("a share for each device, or none", async (t) => {
  const files = await models(t);
  const failed = open(t, files, [await lend(t)], { place: { split: [1, 2] } });
  const error = await t.throwsAsync(failed, { code: "ERR_INVALID_ARGUMENT" });
  t.regex(error?.message ?? "", /each of the servers' 1 devices, got 2/);
});

test("only the new cells come back at each switch, and little beside them", async (t) => {
  const files = await models(t);
  const lent = await lend(t);
  const pair = await open(t, files, [lent]);
  await using session = await pair.createSession();
  const { traffic: before } = lent.front;
  let from = before.sentBytes;
  for (const prompt of prompts) {
    await session.prefill(prompt);
    const report = await session.switch();
    const { sentBytes } = lent.front.traffic;
    // Cells and one row of logits; what is left are answers' heads.
    const logits = pair.info.prefill.vocabularySize * 4;
    const bytes = sentBytes - from - logits;
    t.true(bytes >= report.bytes && bytes <= 1.05 * report.bytes + 4096, `${bytes} for ${report.bytes}`);
    from = sentBytes;
    await readAnswer(session.decode({ ...greedy, maxTokens: 5, ignoreEos: true }));
    t.is(lent.front.traffic.sentBytes, from, "an answer needs nothing from there");
  }
});

const kinds: readonly [title: string, kind: TinyModelOptions][] = [
  ["full attention", {}],
  ["a sliding window", { architecture: "gemma3", slidingWindow: { window: 64, pattern: 2 } }],
];

for (const [title, kind] of kinds)
  test(`of a long prompt, a switch waits for the last cells alone: ${title}`, async (t) => {
    const files = await models(t, kind);
    const lent = await lend(t);
    const prompt = someTokens(1000, 5);
    const remote = await open(t, files, [lent], { batchSize: 256 });
    const local = await open(t, files, undefined, { batchSize: 256, handover: "translate" });
    const written = [];
    for (const pair of [remote, local]) {
      await using session = await pair.createSession();
      await session.prefill(prompt);
      const { sentBytes: before } = lent.front.traffic;
      const { bytes, tokens } = await session.switch();
      const crossed = lent.front.traffic.sentBytes - before;
      t.is(tokens, prompt.length);
      written.push({ bytes, answer: await readAnswer(session.decode(traced(12))) });
      // 512 of the 768 tokens before the last micro-batch were fetched before.
      if (pair === remote)
        t.true(crossed >= 0.488 * bytes && crossed <= 0.488 * 1.05 * bytes + 4096, `${crossed} of ${bytes}`);
      else t.is(crossed, 0);
    }
    const [there, here] = written;
    t.is(there?.bytes, here?.bytes);
    t.deepEqual(there?.answer.tokens, here?.answer.tokens);
    for (const [i, step] of (there?.answer.logProbs ?? []).entries())
      t.true(distance(step, here?.answer.logProbs[i]) < 1e-3, `token ${i}`);
  });

test("a pair that is loaded again takes the weights from the server's cache", async (t) => {
  const dir = withTempDir(t);
  // Tensors of more than ten megabytes are kept.
  const large = await writeTinyModel(join(dir, "large.gguf"), { nEmbd: 1024, nFf: 2816, nLayers: 1 });
  const lent = await lend(t, { cacheDirectory: withTempDir(t) });
  const sent: number[] = [];
  for (let i = 0; i < 2; i++) {
    const before = lent.front.traffic.receivedBytes;
    await using pair = await open(t, { prefill: large.path }, [lent]);
    await answer(await pair.createSession(), someTokens(5), traced(2));
    sent.push(lent.front.traffic.receivedBytes - before);
  }
  t.true((sent[1] ?? 0) < 0.6 * (sent[0] ?? 0), sent.join());
});

test("exact answers, adapters, forks and scores are the local pair's", async (t) => {
  const files = await models(t);
  const adapter = join(withTempDir(t), "adapter.gguf");
  await writeTinyAdapter(adapter, { model: full });
  const place = { adapters: [{ file: adapter }] };
  const all = async (pair: Pair) => {
    await using session = await pair.createSession();
    const exact = await answer(session, someTokens(60), { ...traced(10), quality: "exact" });
    await using twin = await session.fork();
    const scores = await pair.score(someTokens(30), [someTokens(5, 9)]);
    const after = await answer(twin, someTokens(8, 4), traced(5));
    return { tokens: [exact.tokens, after.tokens], scores: JSON.stringify(scores, rounded) };
  };
  const options = { handover: "translate", maxSessions: 3, place } as const;
  const remote = await all(await open(t, files, [await lend(t)], options));
  t.deepEqual(remote, await all(await open(t, files, undefined, options)));
});

const rounded = (_: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);

test("a program that ends without a word to its pair ends as it wants", async (t) => {
  const { url } = await lend(t);
  const program = `import { demoPair, demoPrompt, loadPair } from "overfill";
    const prefill = { ...demoPair.prefill, devices: [${JSON.stringify(url)}] };
    const pair = await loadPair({ ...demoPair, prefill, gpu: false, threads: 1, remote: { inProcess: true } });
    const session = await pair.createSession();
    const { text } = await session.generate(demoPrompt, { temperature: 0 });
    console.log(text);`;
  for (const end of ["", "process.exit(0);", "session.prefill(demoPrompt).catch(() => {}); process.exit(0);"]) {
    const { stdout } = await runProgram(withTempDir(t), `${program}\n${end}`);
    t.regex(stdout, /3 gray lamps/);
  }
});

test("a saved session of a remote pair goes on", async (t) => {
  const files = await models(t);
  const pair = await open(t, files, [await lend(t)], { maxSessions: 2 });
  const file = join(withTempDir(t), "s.ofs");
  await using session = await pair.createSession();
  await answer(session, someTokens(50), traced(4));
  await session.save(file);
  await using again = await pair.restore(file);
  const [a, b] = [await answer(session, someTokens(9), traced(6)), await answer(again, someTokens(9), traced(6))];
  t.deepEqual(a.tokens, b.tokens);
});
