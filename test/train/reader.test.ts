/** What a reader that was trained is worth to writers that were not: pairs of it, measured as any pair is. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import {
  type EvaluateOptions,
  estimateHeal,
  evaluate,
  type HealOptions,
  heal,
  prune,
  quantize,
} from "../../lib/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { figureOf } from "../eval/fixtures.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { hashOf, writeLines } from "./fixtures.js";

const test = anyTest as TestFn<{
  readonly writer: string;
  readonly data: string;
  readonly heldOut: string;
  readonly remove: () => Promise<void>;
}>;

const full = lookupPair.prefill;

const linesOf = (seed: number, count: number) =>
  lookups(seed, { count, rows: 4 }).map(({ prompt, answer }) => ({ prompt, response: answer }));

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const data = writeLines(join(path, "train.jsonl"), linesOf(7, 1600));
  const heldOut = writeLines(join(path, "held-out.jsonl"), linesOf(8, 40));
  const writer = join(path, "pruned.gguf");
  const text = writeLines(
    join(path, "calibration.txt"),
    linesOf(9, 40).map(({ prompt, response }) => `${prompt}${response}`),
  );
  const half = { hidden: 0.5, ffn: 0.5, multiple: 32, text, window: 47, measure: false };
  await prune({ ...quiet, ...half, model: full.model, out: writer });
  t.context = { writer, data, heldOut, remove };
});
test.after.always((t) => t.context.remove?.());

const training = {
  ...quiet,
  ...{ train: "reader", full, batchSize: 16, maxSteps: 40, learningRate: 3e-3, warmUp: 0.05 },
} as const satisfies Partial<HealOptions>;

type Reader = EvaluateOptions["prefill"];

/** Of the held-out answers in two stages. */
async function perplexityOf(prefill: Reader, decode: string, data: string): Promise<number> {
  const report = await evaluate({ ...quiet, contextSize: 256, resamples: 100, timedTokens: 2, prefill, decode, data });
  return figureOf(report, "two-stage", "perplexity");
}

test("an adapter for the reader lowers the perplexity of a pruned writer's answers, which stays as it is", async (t) => {
  const { writer, data, heldOut } = t.context;
  const out = join(withTempDir(t), "reader.gguf");
  const before = { perplexity: await perplexityOf(full, writer, heldOut), writer: hashOf(writer) };
  const result = await heal({ ...training, student: writer, data, evalData: heldOut, out });
  const after = await perplexityOf({ ...full, adapters: [{ file: out }] }, writer, heldOut);
  t.log(`perplexity ${before.perplexity.toFixed(3)} to ${after.toFixed(3)}`);
  t.true(after < 0.7 * before.perplexity, `${before.perplexity} to ${after}`);
  t.is(hashOf(writer), before.writer);
  t.is(result.path, out);
  t.true((result.evaluations[1]?.loss ?? 1) < (result.evaluations[0]?.loss ?? 0));
  // The reader still gives the first token, and reads for itself, as well as before.
  const alone = async (prefill: Reader) => {
    const report = await evaluate({ ...quiet, contextSize: 256, resamples: 100, prefill, data: heldOut });
    return figureOf(report, "prefill", "perplexity");
  };
  t.log(
    `the reader alone: ${(await alone(full)).toFixed(3)} to ${(await alone({ ...full, adapters: [{ file: out }] })).toFixed(3)}`,
  );
});

test("it does so before a quantised writer, and as a model of its own", async (t) => {
  const { writer, data, heldOut } = t.context;
  const folder = withTempDir(t);
  const quantized = join(folder, "q4_0.gguf");
  await quantize({ model: writer, out: quantized, type: "q4_0" });
  const before = await perplexityOf(full, quantized, heldOut);
  for (const readerLora of [{ rank: 8, alpha: 16 }, false] as const) {
    const out = join(folder, `reader-${readerLora ? "adapter" : "model"}.gguf`);
    await heal({ ...training, learningRate: readerLora ? 3e-3 : 5e-4, student: quantized, data, out, readerLora });
    const reader = readerLora ? { ...full, adapters: [{ file: out }] } : { model: out };
    const after = await perplexityOf(reader, quantized, heldOut);
    t.log(`perplexity ${before.toFixed(3)} to ${after.toFixed(3)}`);
    t.true(after < 0.8 * before, `${before} to ${after}`);
  }
});

test("both are written, each to its place, and are a better pair than either", async (t) => {
  const { writer, data, heldOut } = t.context;
  const folder = withTempDir(t);
  const [out, readerOut] = [join(folder, "writer.gguf"), join(folder, "reader.gguf")];
  const before = await perplexityOf(full, writer, heldOut);
  const result = await heal({ ...training, train: "both", learningRate: 1e-3, student: writer, data, out, readerOut });
  t.is(result.reader?.path, readerOut);
  const after = await perplexityOf({ ...full, adapters: [{ file: readerOut }] }, out, heldOut);
  t.log(`perplexity ${before.toFixed(3)} to ${after.toFixed(3)}`);
  t.true(after < 0.7 * before, `${before} to ${after}`);
});

test("an estimate knows what the training takes, and writes nothing", async (t) => {
  const { writer, data } = t.context;
  const folder = withTempDir(t);
  const options = { ...training, student: writer, data, out: join(folder, "reader.gguf"), maxSteps: 2 };
  const estimate = await estimateHeal({ ...options, log: join(folder, "log.jsonl") });
  t.deepEqual([existsSync(options.out), existsSync(join(folder, "log.jsonl"))], [false, false]);
  const result = await heal(options);
  t.is(estimate.trainedParameters, result.trainedParameters);
  t.is(estimate.steps, 2);
  t.is(estimate.memory.optimiserBytes, 12 * result.trainedParameters);
  t.is(estimate.memory.fullBytes, 0);
  t.true(estimate.tokensPerSecond > 0 && estimate.hours > 0);
  // What a training refuses, an estimate of it does.
  await refusal(t, "ERR_INVALID_ARGUMENT", estimateHeal({ ...options, type: "q8_0", readerLora: { rank: 5 } }));
  await refusal(t, "ERR_MODEL_NOT_FOUND", estimateHeal({ ...options, student: join(folder, "none.gguf") }));
});

test("a reader's training that is aborted goes on to the same adapter", async (t) => {
  const { writer, data } = t.context;
  const folder = withTempDir(t);
  const options = { ...training, student: writer, data, maxSteps: 6, threads: 1 };
  const whole = await heal({ ...options, out: join(folder, "whole.gguf") });
  const stop = new AbortController();
  const out = join(folder, "stopped.gguf");
  await t.throwsAsync(
    heal({
      ...{ ...options, out, signal: stop.signal },
      onProgress: ({ stage, step }) => {
        if (stage === "training" && step === 3) stop.abort(new RangeError("enough"));
      },
    }),
    { instanceOf: RangeError },
  );
  const resumed = await heal({ ...options, out, resume: true });
  t.true((resumed.firstStep ?? 0) >= 3);
  t.is(hashOf(out), hashOf(whole.path));
});
