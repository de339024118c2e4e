/**
 * A tiny model of every architecture that the package can take apart: llama.cpp loads and runs it, and computes what the
 * slow reference computes.
 */

import test from "ava";
import { readGguf } from "../support/gguf-reader.js";
import { writeGguf } from "../support/gguf-writer.js";
import { referenceModel } from "../support/reference-model.js";
import { carriedBy, keepAll, referenceSlice } from "../support/reference-slicing.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { architectures } from "../support/tiny-model-architectures.js";
import { answerAlone, openPair, someTokens, traced } from "./fixtures.js";
import { referenceDistance, tight, toleranceOf } from "./reference-distance.js";

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
  [
    "gemma3 with sliding layers alone",
    { architecture: "gemma3", nLayers: 2, slidingWindow: { window: 16, pattern: 3 } },
  ],
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
    const { path } = await writeTinyModel(`${withTempDir(t)}/model.gguf`, options);
    const pair = await openPair(t, { prefill: path, ...tight });
    const [once, again] = [await answerAlone(pair, prompt, traced(6)), await answerAlone(pair, prompt, traced(6))];
    t.deepEqual(once.tokens, again.tokens);
    const distance = await referenceDistance(pair, path, prompt);
    t.log(`log-probabilities differ by ${distance.toExponential(1)} at most`);
    t.true(distance < toleranceOf(title), `${distance}`);
  });
}

/** Architectures whose loader wants the width to be that of the heads, and those that run the same models of other widths. */
const carriers = [
  ["qwen2", "exaone"],
  ["phi3", "exaone"],
  ["internlm2", "llama"],
  ["xverse", "llama"],
  ["baichuan", "llama"],
] as const;

for (const [architecture, carrier] of carriers) {
  test(`${architecture} of another width runs as ${carrier}`, async (t) => {
    const folder = withTempDir(t);
    const { path } = await writeTinyModel(`${folder}/full.gguf`, { architecture });
    const contents = await readGguf(path);
    const { shape } = referenceModel(contents);
    const hidden = Array.from({ length: shape.nEmbd / 2 }, (_, i) => 2 * i);
    const slice = referenceSlice(contents, { ...keepAll(shape), hidden });
    const narrow = `${folder}/narrow.gguf`;
    await writeGguf(narrow, carriedBy(carrier, slice));
    const distance = await referenceDistance(await openPair(t, { prefill: narrow, ...tight }), narrow, prompt);
    t.true(distance < toleranceOf(architecture), `${distance}`);
  });
}
