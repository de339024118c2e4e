/** Which pairs share their cache, and that sharing gives what a copy gives. */

import { join } from "node:path";
import test from "ava";
import type { GgufTensor } from "../support/gguf-writer.js";
import { gaussian, mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import {
  type Answer,
  answerAlone,
  openPair,
  openSession,
  type PairRecipe,
  readAnswer,
  someTokens,
  traced,
} from "./fixtures.js";

interface Case extends PairRecipe {
  readonly title: string;
  readonly prefill: TinyModelOptions;
  readonly decode: TinyModelOptions;
}

/** A fine-tune of a kind: every value of every tensor moves a little. */
function tuned(tensors: GgufTensor[]): GgufTensor[] {
  const next = gaussian(mulberry32(99));
  return tensors.map((tensor) => ({ ...tensor, values: tensor.values.map((value) => value * (1 + 0.02 * next())) }));
}

const narrow = { seed: 2, nEmbd: 32, nFf: 64 } as const;

const cases: readonly Case[] = [
  { title: "one model at q8_0 and at q4_0", prefill: { weightType: "q8_0" }, decode: { weightType: "q4_0" } },
  { title: "a model and a fine-tune of it", prefill: {}, decode: { tensorEdit: tuned } },
  { title: "a model and a narrower one with its KV shape", prefill: {}, decode: narrow },
  { title: "a model and a narrower one with fewer heads", prefill: {}, decode: { ...narrow, nHeads: 2 } },
  {
    title: "a model at q4_0 that reads and at q8_0 that writes",
    prefill: { weightType: "q4_0" },
    decode: { weightType: "q8_0" },
  },
  { title: "a narrower model that reads and a wider one that writes", prefill: narrow, decode: {} },
  { title: "a narrower pair on a q8_0 cache", prefill: {}, decode: narrow, cacheTypeK: "q8_0", cacheTypeV: "q8_0" },
  { title: "a narrower pair on a q4_0 cache", prefill: {}, decode: narrow, cacheTypeK: "q4_0", cacheTypeV: "q4_0" },
  { title: "a narrower pair without flash attention", prefill: {}, decode: narrow, flashAttention: false },
  { title: "a narrower pair with small micro-batches", prefill: {}, decode: narrow, batchSize: 16 },
];

const prompt = someTokens(150);
const stable = ({ text, tokens, logProbs }: Answer) => ({ text, tokens, logProbs });

for (const { title, ...recipe } of cases) {
  test(`${title} share their cache, with the log-probabilities of a copied one`, async (t) => {
    const dir = withTempDir(t);
    const { path: prefill } = await writeTinyModel(join(dir, "prefill.gguf"), recipe.prefill);
    const { path: decode } = await writeTinyModel(join(dir, "decode.gguf"), recipe.decode);
    const shared = await openPair(t, { ...recipe, prefill, decode, handover: "share" });
    const copied = await openPair(t, { ...recipe, prefill, decode, handover: "translate" });
    t.is(shared.info.plan.kind, "share");
    t.false(shared.info.plan.oneModel);
    t.deepEqual(shared.info.plan.reasons, []);
    t.is(copied.info.plan.kind, "translate");
    const fromShared = await answerAlone(shared, prompt, traced(64));
    t.is(fromShared.tokens.length, 64);
    t.deepEqual(stable(fromShared), stable(await answerAlone(copied, prompt, traced(64))));

    // The decode model does write: the prefill model alone would have gone on in another way.
    const alone = await answerAlone(await openPair(t, { ...recipe, prefill, decode: undefined }), prompt, traced(64));
    t.deepEqual(fromShared.logProbs[0], alone.logProbs[0]);
    t.notDeepEqual(fromShared.logProbs.slice(1), alone.logProbs.slice(1));
  });
}

test("a shared switch moves no byte, a copied one all bytes of its tokens", async (t) => {
  const recipe = { prefill: {}, decode: narrow } as const;
  const shared = await openSession(t, { ...recipe, handover: "auto" });
  await shared.prefill(prompt);
  const report = await shared.switch();
  t.like(report, { kind: "share", implementation: "share", bytes: 0, tokens: 150, gigabytesPerSecond: 0 });

  const copied = await openSession(t, { ...recipe, handover: "translate" });
  await copied.prefill(prompt);
  const copy = await copied.switch();
  t.like(copy, { kind: "translate", implementation: "cpu", tokens: 150 });
  t.is(copy.bytes, 150 * copied.pair.info.kvBytesPerToken);
});

test("a sharing pair holds one cache, a copying one two", async (t) => {
  const recipe = { prefill: {}, decode: narrow, contextSize: 512 } as const;
  const alone = await openPair(t, { ...recipe, decode: undefined });
  t.is((await openPair(t, { ...recipe, handover: "share" })).info.kvBytes, alone.info.kvBytes);
  t.is((await openPair(t, { ...recipe, handover: "translate" })).info.kvBytes, 2 * alone.info.kvBytes);
  // K and V of 2 layers, 2 KV heads of 32 values of 2 bytes
  t.is(alone.info.kvBytesPerToken, 2 * 2 * 2 * 32 * 2);
  t.is(alone.info.kvBytes, 512 * alone.info.kvBytesPerToken);
});

test("a copied turn after a turn equals a shared one, refreshed or not", async (t) => {
  const turns = async (handover: "share" | "translate", refresh: boolean) => {
    const session = await openSession(t, { prefill: {}, decode: narrow, handover });
    const answers: Answer[] = [];
    for (const [turn, length] of [60, 20, 30].entries()) {
      await session.prefill(someTokens(length, turn), { refresh });
      await session.switch();
      answers.push(await readAnswer(session.decode(traced(20))));
    }
    return answers.map(stable);
  };
  const kept = await turns("share", false);
  const refreshed = await turns("share", true);
  t.deepEqual(await turns("translate", false), kept);
  t.deepEqual(await turns("translate", true), refreshed);
  t.notDeepEqual(kept, refreshed);
});
