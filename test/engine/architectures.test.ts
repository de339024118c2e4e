/**
 * A tiny model of every architecture that the package can take apart: llama.cpp loads and runs it, and computes what the
 * slow reference computes.
 *
 * Tolerance: both compute in float, llama.cpp in float32 with its own order of summation, so that log-probabilities around
 * 10 differ by some 1e-5. GELU models differ by more: ggml takes GELU from a table of halves, and an argument that lies
 * between two halves for the one and beyond for the other gives a neighbour's value, 1e-3 of one channel.
 */

import test from "ava";
import { readGguf } from "../support/gguf-reader.js";
import { logSoftMax } from "../support/reference-arithmetic.js";
import { referenceForward } from "../support/reference-forward.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { architectures } from "../support/tiny-model-architectures.js";
import { answerAlone, openPair, someTokens, traced } from "./fixtures.js";

/** Nothing is rounded to halves on the way. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false, contextSize: 128 } as const;

const prompt = someTokens(40);
const slidingWindow = { window: 16, pattern: 2 };
const ropeFreqFactors = Float32Array.from({ length: 16 }, (_, i) => 1 + i / 4);

/** Further kinds of models, whose difference the plain ones do not show. */
const variants: readonly (readonly [title: string, options: TinyModelOptions])[] = [
  ["llama with linear RoPE scaling", { ropeScaling: { type: "linear", factor: 2 }, ropeBase: 500_000 }],
  ["llama with rotation factors and an output matrix", { ropeFreqFactors, tiedEmbeddings: false }],
  ["llama without RoPE scaling", { ropeScaling: { type: "none", factor: 4 }, nKvHeads: 4 }],
  ["phi3 with rotation factors", { architecture: "phi3", ropeFreqFactors }],
  ["gemma3 with scaled RoPE", { architecture: "gemma3", slidingWindow, ropeScaling: { type: "linear", factor: 8 } }],
  ["gemma3 with an output matrix", { architecture: "gemma3", slidingWindow, tiedEmbeddings: false }],
  ["olmo2 with a window", { architecture: "olmo2", slidingWindow, ropeScaling: { type: "linear", factor: 8 } }],
  ["exaone4 of 64 layers", { architecture: "exaone4", nLayers: 64, slidingWindow: { window: 16, pattern: 4 } }],
  [
    "minicpm with keys for its scales",
    {
      architecture: "minicpm",
      metadata: {
        "minicpm.embedding_scale": { type: "f32", value: 6 },
        "minicpm.residual_scale": { type: "f32", value: 0.5 },
        "minicpm.logit_scale": { type: "f32", value: 3 },
      },
    },
  ],
  [
    "hunyuan-dense with a RoPE base that grows",
    { architecture: "hunyuan-dense", metadata: { "hunyuan-dense.rope.scaling.alpha": { type: "f32", value: 50 } } },
  ],
];

const models = [
  ...architectures.map((architecture) => [architecture, { architecture, slidingWindow }] as const),
  ...variants,
];

for (const [title, options] of models) {
  test(`${title} runs as the slow reference does`, async (t) => {
    const { path, nVocab } = await writeTinyModel(`${withTempDir(t)}/model.gguf`, options);
    const pair = await openPair(t, { prefill: path, ...exact });
    const answer = await answerAlone(pair, prompt, traced(6, 20));
    t.is(answer.tokens.length, 6);
    t.deepEqual((await answerAlone(pair, prompt, traced(6, 20))).tokens, answer.tokens, "greedy answers differ");

    const tokens = [...prompt, ...answer.tokens];
    const { logits } = referenceForward(await readGguf(path), tokens, exact);
    const tolerance = title.startsWith("gemma") ? 2e-3 : 2e-4;
    let worst = 0;
    for (const [step, row] of answer.logProbs.entries()) {
      const expected = logSoftMax(logits[prompt.length - 1 + step] ?? new Float64Array(nVocab));
      for (const { token, logProb } of row.top) worst = Math.max(worst, Math.abs(logProb - (expected[token] ?? 0)));
    }
    t.log(`log-probabilities differ by ${worst.toExponential(1)} at most`);
    t.true(worst < tolerance, `log-probabilities differ by ${worst}`);
  });
}
