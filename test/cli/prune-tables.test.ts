import test from "ava";
import fc from "fast-check";
import { renderPadded } from "../../lib/cli/commands/pad/render.js";
import { parametersAt, renderArchitectures, renderPruned } from "../../lib/cli/commands/prune/render.js";
import { renderImportance, weakestHalf } from "../../lib/cli/importance-tables.js";
import type { ModelDimensions, ModelSize, PruneResult } from "../../lib/index.js";

const vocabulary = 128_256;
const headSize = 128;

/** Parameters of a Llama with tied embeddings. */
function parametersOf({ hiddenSize, feedForwardSize, layers, heads, kvHeads }: ModelDimensions): number {
  const attention = 2 * hiddenSize * headSize * (heads + kvHeads);
  const layer = attention + 3 * hiddenSize * feedForwardSize + 2 * hiddenSize;
  return hiddenSize * (vocabulary + 1) + layers * layer;
}

function sizeOf(dimensions: ModelDimensions): ModelSize {
  const parameters = parametersOf(dimensions);
  return { ...dimensions, parameters, sizeBytes: 2 * parameters };
}

const full = { hiddenSize: 3072, feedForwardSize: 8192, layers: 28, heads: 24, kvHeads: 8 };
/** The paper's pair: 3B to 1B at 0.45. */
const asked = { ...full, hiddenSize: 1689, feedForwardSize: 4505 };
const kept = { ...full, hiddenSize: 1792, feedForwardSize: 4608 };

const result: PruneResult = {
  paths: ["decode.gguf"],
  type: "q4_k_m",
  architecture: { before: "llama", after: "llama" },
  parentFingerprint: "llama-0123456789abcdef",
  before: sizeOf(full),
  after: sizeOf(kept),
  requested: asked,
  multiple: 256,
  compensated: true,
  kept: { hidden: [], layers: [], feedForward: [], heads: [], kvHeads: [] },
  calibration: { samples: 512, tokens: 262_144 },
  loss: { before: 2, after: 7.5, tokens: 16_384 },
  calibrateMs: 1,
  writeMs: 2,
  ms: 12_345,
};

test("the result tells sizes, rounding, losses and what comes next", (t) => {
  const text = renderPruned(result, "my models/full.gguf");
  t.regex(text, /│ +│ +before │ +after │ +left │/);
  t.regex(text, /│ hidden size +│ +3,072 │ +1,792 │ +58\.3% │/);
  t.regex(text, /│ feed-forward size +│ +8,192 │ +4,608 │ +56\.3% │/);
  t.regex(text, /│ layers +│ +28 │ +28 │ +100\.0% │/);
  t.regex(text, /│ heads, KV heads +│ +24, 8 │ +24, 8 │ +│/);
  t.regex(text, /│ parameters +│ +3,212,749,824 │/);
  t.regex(text, /^Hidden size: 1,689 asked for, 1,792 kept, a multiple of 256\.$/m);
  t.regex(text, /^Feed-forward size: 4,505 asked for, 4,608 kept, a multiple of 256\.$/m);
  const percent = (100 * (parametersOf(kept) / parametersOf(asked) - 1)).toFixed(1);
  t.true(text.includes(`By this rounding the model has about ${percent}% more parameters than asked for.`));
  t.regex(text, /^Importance was measured on 512 samples, 262,144 tokens\.$/m);
  t.regex(text, /│ next-token loss on 16,384 held-out tokens │ nats a token │ perplexity │/);
  t.regex(text, /│ the full model +│ +2\.0000 │ +7\.3891 │/);
  t.regex(text, /│ the pruned model, alone +│ +7\.5000 │ +1808\.0 │/);
  t.regex(text, /^decode\.gguf: .* of q4_k_m, in 12\.3 s$/m);
  t.true(text.includes('overfill inspect "my models/full.gguf" decode.gguf'));
  t.regex(text, /healed by training/);
  t.notRegex(text, /architecture/);
});

test("what did not happen is not told", (t) => {
  const { loss: _, calibration: __, ...rest } = result;
  const text = renderPruned(
    { ...rest, requested: kept, paths: ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"] },
    "full.gguf",
  );
  t.notRegex(text, /asked for|rounding|loss|measured/);
  t.regex(text, /^a-00001-of-00002\.gguf to a-00002-of-00002\.gguf: /m);
  t.regex(
    renderPruned({ ...result, architecture: { before: "qwen2", after: "llama" } }, "f"),
    /│ architecture +│ +qwen2 │ +llama │/,
  );
  // Rounded heads change a part of the size that cannot be told from here.
  const heads = renderPruned({ ...result, requested: { ...kept, heads: 23 } }, "f");
  t.regex(heads, /^Heads: 23 asked for, 24 kept\.$/m);
  t.notRegex(heads, /By this rounding/);
  // A multiple that the width is not, since the whole width stayed.
  t.regex(renderPruned({ ...result, multiple: 1000 }, "f"), /^Hidden size: 1,689 asked for, 1,792 kept\.$/m);
  t.regex(
    renderPruned({ ...result, requested: { ...kept, hiddenSize: 1900 } }, "f"),
    /\d% fewer parameters than asked for/,
  );
});

test("the size at other widths is what such a model has", (t) => {
  const width = fc.integer({ min: 32, max: 16_384 });
  const property = fc.property(width, width, width, width, (hiddenSize, feedForwardSize, otherHidden, otherFfn) => {
    const other = { ...full, hiddenSize: otherHidden, feedForwardSize: otherFfn };
    const parameters = parametersAt(other, sizeOf({ ...full, hiddenSize, feedForwardSize })) ?? 0;
    t.true(Math.abs(parameters / parametersOf(other) - 1) < 1e-9);
  });
  t.notThrows(() => fc.assert(property));
  t.is(parametersAt({ ...full, layers: 5 }, sizeOf(full)), undefined);
});

test("a padded model's sizes", (t) => {
  const text = renderPadded({ paths: ["p.gguf"], type: "same", before: sizeOf(asked), after: sizeOf(kept), ms: 5 });
  t.regex(text, /│ hidden size +│ +1,689 │ +1,792 │ +106\.1% │/);
  t.regex(text, /^p\.gguf: /m);
});

test("importance is told by layer", (t) => {
  const channels = { signed: [1, 2, 3, 4], absolute: [1, 2, 3, 4] };
  const byLayer = { signed: [channels.signed, [0, 0, 5, 5]], absolute: [channels.signed, channels.signed] };
  const text = renderImportance({
    ...{ path: "i.gguf", text: "a.txt", window: 512, samples: 2, tokens: 1024, loss: 2 },
    model: { name: "Full", fingerprint: "llama-1", architecture: "llama" },
    ...{
      hidden: channels,
      hiddenByLayer: byLayer,
      feedForward: byLayer,
      heads: [
        [1, 1],
        [1, 3],
      ],
      blockInfluence: [0.5, 0.0625],
    },
  });
  t.regex(text, /│ model +│ Full \(llama-1\) +│/);
  t.regex(text, /│ samples +│ 2 of at most 512 tokens +│/);
  t.regex(text, /│ loss of the model +│ 2\.0000 nats a token, perplexity 7\.3891 +│/);
  t.regex(text, /│ weakest half of the hidden channels +│ 30\.0% of the score +│/);
  t.regex(text, /│ +0 │ +0\.5000 │ +30\.0% │ +50\.0% │/);
  t.regex(text, /│ +1 │ +0\.0625 │ +0\.0% │ +25\.0% │/);
});

test("the weakest half of scores has at most half of their sum", (t) => {
  const scores = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 50 });
  const property = fc.property(scores, (values) => {
    const share = weakestHalf(values);
    t.true(share >= 0 && share <= 0.5 + 1e-9, `${share}`);
  });
  t.notThrows(() => fc.assert(property));
  t.is(weakestHalf([]), 0);
  t.is(weakestHalf([0, 0]), 0);
});

test("architectures are a table", (t) => {
  const text = renderArchitectures([
    { name: "llama", square: false },
    { name: "qwen2", carrier: "llama", square: false },
    { name: "olmo2", square: true },
  ]);
  t.regex(text, /│ qwen2 +│ llama +│/);
  t.regex(text, /│ olmo2 +│ olmo2 +│ together only +│/);
});

test("a text that the full model does not know is told", (t) => {
  const measured = { ...result, loss: { before: 7, after: 6, tokens: 100 } };
  t.regex(renderPruned(measured, "f", 1000), /worse than a blind guess among its 1,000 tokens \(6\.91 nats\)/);
  t.notRegex(renderPruned(measured, "f", 2000), /blind guess/);
});
