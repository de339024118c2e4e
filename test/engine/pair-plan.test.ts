/** Two models that differ: what `inspect` says about them, and what `loadPair` does. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { inspect, loadPair, PairError, type PlanReason } from "../../lib/index.js";
import { f32, i32Array, text, u32 } from "../support/gguf-format.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { builtInTokenizer } from "../support/tokenizers.js";
import { quiet, refusal } from "./fixtures.js";

interface Mismatch {
  readonly title: string;
  readonly prefill?: TinyModelOptions;
  readonly decode: TinyModelOptions;
  /** The field that must be named, and whether it rules the pair out or asks for a translation. */
  readonly field: string;
  readonly leadsTo: PlanReason["leadsTo"];
  readonly values?: readonly [prefill: string, decode: string];
}

const gemma3 = { architecture: "gemma3" } as const;
const yarn = { type: "yarn", factor: 4, originalContextLength: 128 } as const;
const factors = (last: number) => Float32Array.from({ length: 16 }, (_, i) => (i === 15 ? last : 1 + i / 8));
const { types: spmTypes } = builtInTokenizer("spm");
const edited = (token: number) => (tokens: string[]) => tokens.map((old, id) => (id === token ? "edited" : old));

const mismatches: readonly Mismatch[] = [
  {
    title: "architectures",
    decode: { architecture: "qwen3" },
    field: "architecture",
    leadsTo: "translate",
    values: ["llama", "qwen3"],
  },
  { title: "one token", decode: { vocabEdit: edited(200) }, field: "vocabulary", leadsTo: "impossible" },
  { title: "the last token", decode: { vocabEdit: edited(291) }, field: "vocabulary", leadsTo: "impossible" },
  {
    title: "the type of one token",
    prefill: { tokenizer: "spm" },
    decode: {
      tokenizer: "spm",
      metadata: { "tokenizer.ggml.token_type": i32Array(spmTypes.map((type, id) => (id === 380 ? 4 : type))) },
    },
    field: "vocabulary",
    leadsTo: "impossible",
  },
  {
    title: "vocabulary sizes",
    decode: {
      vocabEdit: (tokens) => [...tokens, "more"],
      metadata: { "tokenizer.ggml.scores": undefined, "tokenizer.ggml.token_type": undefined },
    },
    field: "vocabulary",
    leadsTo: "impossible",
  },
  { title: "kinds of tokenizer", decode: { tokenizer: "spm" }, field: "vocabulary", leadsTo: "impossible" },
  { title: "numbers of layers", decode: { nLayers: 1 }, field: "layers", leadsTo: "translate", values: ["2", "1"] },
  { title: "numbers of KV heads", decode: { nKvHeads: 4 }, field: "headsKv", leadsTo: "translate", values: ["2", "4"] },
  { title: "head sizes (K)", decode: { headSize: 64 }, field: "headSizeK", leadsTo: "translate", values: ["32", "64"] },
  { title: "head sizes (V)", decode: { headSize: 64 }, field: "headSizeV", leadsTo: "translate", values: ["32", "64"] },
  {
    title: "RoPE bases",
    decode: { ropeBase: 500_000 },
    field: "ropeBase",
    leadsTo: "translate",
    values: ["10000", "500000"],
  },
  { title: "RoPE scalings", decode: { ropeScaling: yarn }, field: "ropeScaling", leadsTo: "translate" },
  {
    title: "RoPE scaling factors",
    prefill: { ropeScaling: yarn },
    decode: { ropeScaling: { ...yarn, factor: 8 } },
    field: "ropeScale",
    leadsTo: "translate",
    values: ["0.25", "0.125"],
  },
  {
    title: "linear RoPE scaling factors",
    decode: { ropeScaling: { type: "linear", factor: 2 } },
    field: "ropeScale",
    leadsTo: "translate",
    values: ["1", "0.5"],
  },
  {
    title: "original context sizes",
    prefill: { ropeScaling: yarn },
    decode: { ropeScaling: { ...yarn, originalContextLength: 256 } },
    field: "ropeOriginalContext",
    leadsTo: "translate",
    values: ["128", "256"],
  },
  {
    title: "RoPE attention factors",
    prefill: { ropeScaling: yarn },
    decode: { ropeScaling: yarn, metadata: { "llama.rope.scaling.attn_factor": f32(0.5) } },
    field: "ropeAttentionFactor",
    leadsTo: "translate",
  },
  {
    title: "RoPE factors",
    prefill: { ropeFreqFactors: factors(4) },
    decode: { ropeFreqFactors: factors(5) },
    field: "ropeFactors",
    leadsTo: "translate",
  },
  {
    title: "RoPE factors or none",
    prefill: { ropeFreqFactors: factors(4) },
    decode: {},
    field: "ropeFactors",
    leadsTo: "translate",
  },
  {
    title: "RoPE layouts",
    prefill: { architecture: "qwen3" },
    decode: { architecture: "llama" },
    field: "ropeType",
    leadsTo: "translate",
    values: ["neox", "norm"],
  },
  {
    title: "sliding windows",
    prefill: { ...gemma3, slidingWindow: { window: 64, pattern: 2 } },
    decode: { ...gemma3, slidingWindow: { window: 32, pattern: 2 } },
    field: "slidingWindow",
    leadsTo: "translate",
    values: ["64", "32"],
  },
  {
    title: "sliding layers",
    prefill: { ...gemma3, nLayers: 6, slidingWindow: { window: 64, pattern: 2 } },
    decode: { ...gemma3, nLayers: 6, slidingWindow: { window: 64, pattern: 6 } },
    field: "slidingLayers",
    leadsTo: "translate",
  },
];

async function twoModels(t: ExecutionContext, { prefill = {}, decode }: Pick<Mismatch, "prefill" | "decode">) {
  const dir = withTempDir(t);
  return {
    prefill: { model: (await writeTinyModel(join(dir, "prefill.gguf"), prefill)).path },
    decode: { model: (await writeTinyModel(join(dir, "decode.gguf"), { seed: 2, ...decode })).path },
  };
}

for (const { title, field, leadsTo, values, ...models } of mismatches) {
  test(`two models with different ${title} do not share, and both inspect and loadPair say why`, async (t) => {
    const sources = await twoModels(t, models);
    const { plan } = await inspect(sources);
    const reason = plan.reasons.find((candidate) => candidate.field === field);
    t.is(reason?.leadsTo, leadsTo);
    t.is(plan.kind, plan.reasons.some((other) => other.leadsTo === "impossible") ? "impossible" : "translate");
    if (leadsTo === "impossible") t.is(plan.kind, "impossible");
    if (values) t.deepEqual([reason?.prefill, reason?.decode], [...values]);
    t.not(reason?.message, "");

    const code = plan.kind === "impossible" ? "ERR_PAIR_INCOMPATIBLE" : "ERR_HANDOVER_UNAVAILABLE";
    t.is(plan.available, plan.kind === "translate" && plan.reasons.every(({ served }) => served));
    for (const handover of ["auto", "share", "translate"] as const) {
      if (plan.available && handover !== "share") {
        await using pair = await loadPair({ ...quiet, ...sources, handover });
        t.is(pair.info.plan.kind, "translate");
        continue;
      }
      const error = await refusal(t, code, loadPair({ ...quiet, ...sources, handover }));
      t.true(PairError.isInstance(error));
      t.deepEqual(Object.keys(error.details), ["kind", ...plan.reasons.map((other) => other.field)]);
      t.is(error.details.kind, plan.kind);
      t.is(error.details[field], `${reason?.prefill} | ${reason?.decode}`);
      // A missing translator is told with the differences that need one.
      const told = plan.reasons.filter(({ served }) => handover === "share" || plan.kind === "impossible" || !served);
      for (const { message } of told) t.true(error.message.includes(message), error.message);
    }
  });
}

test("two models without a difference that counts share, and inspect says so without loading weights", async (t) => {
  const sources = await twoModels(t, { prefill: { nEmbd: 128, weightType: "f16" }, decode: { nEmbd: 64, nFf: 64 } });
  const inspection = await inspect(sources);
  t.deepEqual(inspection.plan, {
    kind: "share",
    available: true,
    oneModel: false,
    oneFile: false,
    reasons: [],
    notes: [],
    layerMap: [],
  });
  t.like(inspection.prefill, { architecture: "llama", name: "tiny", hiddenSize: 128, feedForwardSize: 128, layers: 2 });
  t.like(inspection.decode, {
    hiddenSize: 64,
    feedForwardSize: 64,
    heads: 4,
    kvHeads: 2,
    headSizeK: 32,
    headSizeV: 32,
  });
  t.like(inspection.prefill, {
    trainedContextSize: 512,
    vocabularySize: 292,
    slidingWindow: 0,
    ropeBase: 10_000,
    ropeScaling: "none",
  });
  t.is(inspection.kvBytesPerToken, 2 * 2 * 2 * 32 * 2);
  await using pair = await loadPair({ ...quiet, ...sources });
  const { plan, prefill, decode, kvBytesPerToken } = pair.info;
  t.deepEqual({ plan, prefill, decode, kvBytesPerToken }, inspection);
});

test("inspect tells the cache's size by its types", async (t) => {
  const sources = await twoModels(t, { decode: {} });
  const size = async (cacheTypeK: "f32" | "q8_0", cacheTypeV: "f16" | "q4_0") =>
    (await inspect({ ...sources, cacheTypeK, cacheTypeV })).kvBytesPerToken;
  // 2 layers, 2 KV heads of 32 values; a block of 32 values takes 34 bytes as q8_0 and 18 as q4_0
  t.is(await size("f32", "f16"), 2 * 2 * 32 * (4 + 2));
  t.is(await size("q8_0", "q4_0"), 2 * 2 * (34 + 18));
});

test("inspect of one model is a pair of one", async (t) => {
  const { prefill } = await twoModels(t, { prefill: { layers: [0, 3], ropeScaling: yarn }, decode: {} });
  const { plan, prefill: facts, decode } = await inspect({ prefill });
  t.like(plan, { kind: "share", oneModel: true });
  t.deepEqual(decode, facts);
  t.like(facts, { layers: 2, ropeScaling: "yarn" });
});

test("several differences are all told", async (t) => {
  const sources = await twoModels(t, { decode: { ropeBase: 20_000, nKvHeads: 1, vocabEdit: edited(100) } });
  const { plan } = await inspect(sources);
  t.deepEqual(plan.reasons.map(({ field }) => field).toSorted(), ["headsKv", "ropeBase", "vocabulary"]);
  t.is(plan.kind, "impossible");
});

test("end tokens may differ: the pair shares, a note says so, and either ends the answer", async (t) => {
  const sources = await twoModels(t, { decode: { metadata: { "tokenizer.ggml.eos_token_id": u32(290) } } });
  const { plan } = await inspect(sources);
  t.is(plan.kind, "share");
  t.regex(plan.notes.join(), /EOS/);
  await using pair = await loadPair({ ...quiet, ...sources });
  for (const eos of [290, 291]) {
    await using session = await pair.createSession();
    const { decode } = await session.generate([50, 51], { temperature: 0, maxTokens: 5, logitBias: { [eos]: 1e6 } });
    t.like(decode, { reason: "eos", tokens: 0 });
  }
});

test("general metadata that is not compared does not matter", async (t) => {
  const metadata = { "general.name": text("another"), "general.description": text("") };
  const { plan } = await inspect(await twoModels(t, { decode: { metadata, contextLength: 256 } }));
  t.is(plan.kind, "share");
});

test("the context is what both models were trained on, if nothing else is asked for", async (t) => {
  const sources = await twoModels(t, { prefill: { contextLength: 1024 }, decode: { contextLength: 512 } });
  await using pair = await loadPair({ ...quiet, ...sources });
  t.is(pair.info.contextSize, 512);
  await using larger = await loadPair({ ...quiet, ...sources, contextSize: 700 });
  t.is(larger.info.contextSize, 768);
});
