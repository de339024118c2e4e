import test from "ava";
import { renderCreated } from "../../lib/cli/commands/create/render.js";
import { drawLosses, meansOf } from "../../lib/cli/commands/heal/plot.js";
import {
  describeEvaluation,
  detailOf,
  RemainingTime,
  renderEstimate,
  renderHealed,
} from "../../lib/cli/commands/heal/render.js";
import type { HealOptions, HealProgress, HealResult } from "../../lib/index.js";
import { dotsOf, linesOf } from "./chart-marks.js";

const result: HealResult = {
  ...{ reason: "steps", steps: 1200, examples: 9600, tokens: 28_800, trainedParameters: 287_296 },
  losses: [4.5, 3, 2.25],
  evaluations: [
    { step: 0, loss: 4 },
    { step: 600, loss: 2 },
    { step: 1200, loss: 2.5 },
  ],
  badLines: [{ path: "d.jsonl", line: 7, reason: "it is not valid JSON in UTF-8" }],
  ...{ path: "healed.gguf", sizeBytes: 2 ** 20, tokensPerSecond: 1234, ms: 12_345 },
};
const options: HealOptions = {
  ...{ full: "my models/full.gguf", student: "s.gguf", data: "d.jsonl", evalData: "held-out.jsonl" },
  out: "healed.gguf",
};

test("the result tells steps, losses, speed, file and what comes next", (t) => {
  const text = renderHealed(result, options);
  t.regex(text, /│ steps +│ 1,200 +│/);
  t.regex(text, /│ examples +│ 9,600 +│/);
  t.regex(text, /│ tokens learned +│ 28,800 +│/);
  t.regex(text, /│ values trained +│ 287,296 +│/);
  t.regex(text, /│ loss of the first and the last step +│ 4\.5000, 2\.2500 +│/);
  t.regex(text, /│ speed +│ 1,234 tokens\/s +│/);
  t.regex(text, /│ loss on held-out\.jsonl +│ nats a token │ perplexity │/);
  t.regex(text, /│ at the beginning, step 0 +│ +4\.0000 │ +54\.598 │/);
  t.regex(text, /│ at its best, step 600 +│ +2\.0000 │ +7\.3891 │/);
  t.regex(text, /│ at the end, step 1,200 +│ +2\.5000 │ +12\.182 │/);
  t.regex(text, /^1 bad line was skipped\.$/m);
  t.regex(text, /^healed\.gguf: 1\.00 MiB, in 12\.3 s$/m);
  t.regex(text, /^Next: overfill run --prefill "my models\/full\.gguf" --decode healed\.gguf -p TEXT$/m);
});

test("a translator is told, and named in what comes next where the model cannot name it", (t) => {
  const beside = renderHealed({ ...result, translator: { path: "healed-maps.gguf", sizeBytes: 2 ** 20 } }, options);
  t.regex(beside, /^healed-maps\.gguf: 1\.00 MiB, the translator for it$/m);
  t.regex(beside, /--decode healed\.gguf -p TEXT$/m);
  const elsewhere = renderHealed({ ...result, translator: { path: "my maps/t.gguf", sizeBytes: 9 } }, options);
  t.regex(elsewhere, /--decode healed\.gguf --translator "my maps\/t\.gguf" -p TEXT$/m);
});

test("a reader is told, and what comes next reads with it", (t) => {
  const one = { ...result, path: "reader.gguf" };
  t.regex(
    renderHealed(one, { ...options, train: "reader" }),
    /^Next: overfill run --prefill "my models\/full\.gguf" --prefill-adapter reader\.gguf --decode s\.gguf -p TEXT$/m,
  );
  t.regex(
    renderHealed(one, { ...options, train: "reader", readerLora: false }),
    /^Next: overfill run --prefill reader\.gguf --decode s\.gguf -p TEXT$/m,
  );
  const both = renderHealed(
    { ...result, reader: { path: "reader.gguf", sizeBytes: 2 ** 20 } },
    { ...options, train: "both", readerOut: "reader.gguf" },
  );
  t.regex(both, /^reader\.gguf: 1\.00 MiB, the reader of the two$/m);
  t.regex(both, /--prefill-adapter reader\.gguf --decode healed\.gguf -p TEXT$/m);
});

test("an estimate tells memory by its parts, and the time of all steps", (t) => {
  const memory = { weightBytes: 2 ** 21, optimiserBytes: 2 ** 20, activationBytes: 2 ** 20, fullBytes: 0 };
  const facts = { trainedParameters: 45_056, steps: 600, tokensPerSecond: 1234, msPerStep: 12_000, hours: 2 };
  const text = renderEstimate({ ...facts, memory: { ...memory, totalBytes: 2 ** 22 } });
  t.regex(text, /│ values trained +│ 45,056 +│/);
  t.regex(text, /│ memory +│ 4\.00 MiB +│/);
  t.regex(text, /│ +weights +│ 2\.00 MiB +│/);
  t.notRegex(text, /the full model/);
  t.regex(text, /│ a measured step +│ 12\.0 s, 1,234 tokens\/s +│/);
  t.regex(text, /│ all of them, without evaluations +│ 2 h +│/);
  t.regex(
    renderEstimate({ ...facts, memory: { ...memory, fullBytes: 2 ** 20, totalBytes: 5 * 2 ** 20 } }),
    /│ +the full model beside them +│ 1\.00 MiB +│/,
  );
});

test("what did not happen is not told", (t) => {
  const plain = { ...result, evaluations: [], badLines: [], losses: [], tokensPerSecond: 0 };
  const text = renderHealed(plain, { ...options, mode: "sft" });
  t.notRegex(text, /loss|bad|speed|--decode/);
  t.regex(text, /^Next: overfill run --prefill healed\.gguf -p TEXT$/m);
  t.notRegex(renderHealed({ ...result, evaluations: result.evaluations.slice(0, 2) }, options), /at its best/);
  t.notRegex(renderHealed({ ...result, evaluations: result.evaluations.slice(0, 1) }, options), /at the end/);
  t.regex(renderHealed({ ...result, ms: 7_500_000 }, options), /, in 2 h 5 min$/m);
  const resumed = renderHealed({ ...result, firstStep: 400, reason: "patience" }, options);
  t.regex(resumed, /│ 1,200, from step 400 on, ended early: the evaluations no longer got better │/);
});

const progress: HealProgress = {
  ...{ stage: "training", fraction: 0.5, step: 600, steps: 1200, loss: 2.3456, learningRate: 1e-5, gradientNorm: 1 },
  ...{ tokens: 14_400, tokensPerSecond: 1234 },
};

test("behind the bar stand loss, speed, the time that is left and the step", (t) => {
  t.is(detailOf(progress, 250_000), "loss 2.346, 1,234 tokens/s, 4 min 10 s left, step 600/1,200");
  t.is(detailOf(progress), "loss 2.346, 1,234 tokens/s, step 600/1,200");
  t.is(detailOf({ ...progress, step: 0, loss: 0 }), "step 0/1,200");
  t.is(detailOf({ ...progress, stage: "writing" }, 1000), "");
  t.is(describeEvaluation({ step: 1200, loss: 2 }, "held-out.jsonl"), "step 1,200: loss 2.0000 on held-out.jsonl");
});

test("the time that is left goes by the pace of this run's steps", (t) => {
  let now = 5000;
  const remaining = new RemainingTime(() => now);
  t.is(remaining.estimate(100, 200), undefined);
  now += 1000;
  t.is(remaining.estimate(100, 200), undefined);
  t.is(remaining.estimate(110, 200), 9000);
  t.is(remaining.estimate(200, 200), 0);
});

test("a new model is told by its size", (t) => {
  const text = renderCreated({ path: "new.gguf", parameters: 869_504, sizeBytes: 2 ** 21 });
  t.regex(text, /^new\.gguf: 869,504 parameters with random values, 2\.00 MiB$/m);
  t.regex(text, /overfill heal new\.gguf --mode full/);
});

test("losses are drawn as lines, evaluations with dots", (t) => {
  const svg = drawLosses(result, "a < b & c\n.gguf");
  t.regex(svg, /^<svg [\s\S]*<\/svg>\n$/);
  t.true(svg.includes("a &lt; b &amp; c\\n.gguf"));
  t.is(linesOf(svg, "#8fb3cf"), 1);
  t.is(linesOf(svg, "#c0563b"), 1);
  t.is(dotsOf(svg), 3);
  t.notRegex(svg, /NaN|undefined/);
  const plain = drawLosses({ losses: [1], evaluations: [] }, "s.gguf");
  t.is(linesOf(plain, "#8fb3cf"), 1);
  t.notRegex(plain, /held-out|NaN/);
  const empty = drawLosses({ losses: [], evaluations: [] }, "s.gguf");
  t.is(linesOf(empty, "#8fb3cf") + linesOf(empty, "#c0563b"), 0);
  t.notRegex(empty, /NaN/);
});

test("a long training is drawn by the means of its steps", (t) => {
  t.deepEqual(meansOf([], 500), []);
  t.deepEqual(meansOf([3, 1], 500), [
    { step: 0, loss: 3 },
    { step: 1, loss: 1 },
  ]);
  t.deepEqual(meansOf([4, 2, 3, 1, 7], 3), [
    { step: 0.5, loss: 3 },
    { step: 2.5, loss: 2 },
    { step: 4, loss: 7 },
  ]);
  t.true(meansOf(new Array(100_001).fill(1), 500).length <= 500);
});
