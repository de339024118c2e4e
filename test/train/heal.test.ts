/** What a training makes of a model. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import {
  type BadLine,
  type Evaluation,
  type HealOptions,
  type HealProgress,
  heal,
  inspect,
  prune,
} from "../../lib/index.js";
import { answerAlone, greedy, openPair, quiet } from "../engine/fixtures.js";
import { readGguf, tensorValues } from "../support/gguf-reader.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writtenText } from "../support/written-text.js";
import { hashOf, short, somePairs, type TrainingFiles, writeLines, writeTrainingFiles } from "./fixtures.js";

const test = anyTest as TestFn<TrainingFiles & { readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeTrainingFiles(path)), remove };
});
test.after.always((t) => t.context.remove?.());

test("a model learns a few lines by heart, and answers with them", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const pairs = somePairs(4, 2);
  const data = writeLines(join(folder, "train.jsonl"), pairs);
  const before = hashOf(model);
  const evaluations: Evaluation[] = [];
  const result = await heal({
    ...short,
    ...{ mode: "full", student: model, data, evalData: data, out: join(folder, "out.gguf") },
    ...{ maxSteps: 200, learningRate: 3e-3, onEvaluation: (evaluation) => evaluations.push(evaluation) },
  });
  t.is(result.reason, "steps");
  t.is(result.steps, 200);
  t.is(result.losses.length, 200);
  t.is(result.examples, 800);
  t.false("firstStep" in result);
  t.deepEqual(result.evaluations, evaluations);
  t.deepEqual(
    result.evaluations.map(({ step }) => step),
    [0, 200],
  );
  t.true((result.evaluations[0]?.loss ?? 0) > 2);
  t.true((result.evaluations[1]?.loss ?? 1) < 0.05, `${result.evaluations[1]?.loss}`);
  t.true((result.losses.at(-1) ?? 1) < 0.05);
  t.true(result.tokensPerSecond > 0 && result.ms > 0);
  t.is(hashOf(model), before);

  const pair = await openPair(t, { prefill: result.path });
  for (const { prompt, response } of pairs) {
    const { text } = await answerAlone(pair, prompt, { ...greedy, maxTokens: response.length });
    t.is(text, response);
  }
});

test("on the full model's cache an unpruned copy starts at the full model's own loss", async (t) => {
  const { model, data } = t.context;
  const folder = withTempDir(t);
  const usual = { ...short, maxSteps: 1, student: model, data };
  const onCache = await heal({ ...usual, full: model, evalData: data, out: join(folder, "a.gguf") });
  // The same tokens are asked for where the first one of each response, which the full model gives, is in the prompt.
  const shifted = somePairs(16).map(({ prompt, response }) => ({
    prompt: prompt + response.slice(0, 1),
    response: response.slice(1),
  }));
  const evalData = writeLines(join(folder, "shifted.jsonl"), shifted);
  const alone = await heal({ ...usual, mode: "sft", evalData, out: join(folder, "b.gguf") });
  const [a, b] = [onCache.evaluations[0]?.loss ?? 0, alone.evaluations[0]?.loss ?? 1];
  t.true(Math.abs(a - b) < 2e-3, `${a}, ${b}`);
});

test("a pruned model gets better on the full model's cache, and shares it still", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const text = await writtenText(model, { answers: 24, tokensPerAnswer: 100 });
  const chunks = text.match(/.{100}/gs) ?? [];
  t.is(chunks.length, 24);
  const data = writeLines(
    join(folder, "train.jsonl"),
    chunks.slice(4).map((text) => ({ text })),
  );
  const evalData = writeLines(
    join(folder, "held-out.jsonl"),
    chunks.slice(0, 4).map((text) => ({ text })),
  );
  const pruned = join(folder, "pruned.gguf");
  await prune({ ...quiet, model, hidden: 0.5, ffn: 0.5, multiple: 32, select: "random", quantize: "f32", out: pruned });
  const out = join(folder, "healed.gguf");
  const result = await heal({ ...short, maxSteps: 60, full: model, student: pruned, data, evalData, out });
  const [first, last] = result.evaluations;
  t.true((last?.loss ?? 9) < (first?.loss ?? 0) - 0.1, `${first?.loss}, ${last?.loss}`);
  const { plan, decode } = await inspect({ prefill: { model }, decode: { model: out } });
  t.is(plan.kind, "share", JSON.stringify(plan.reasons));
  t.is(decode.hiddenSize, 32);
  const pair = await openPair(t, { prefill: model, decode: out, handover: "share" });
  t.is((await answerAlone(pair, "bcd", { ...greedy, maxTokens: 5, ignoreEos: true })).tokens.length, 5);
});

test("distilling a model from itself begins with nothing to learn", async (t) => {
  const { model, data } = t.context;
  const usual = { ...short, maxSteps: 1, full: model, student: model, data };
  const gradient = async (options: Omit<HealOptions, "out">) => {
    let norm = Number.NaN;
    const onProgress = ({ stage, gradientNorm }: HealProgress) => {
      if (stage === "training" && gradientNorm > 0) norm = gradientNorm;
    };
    await heal({ ...options, out: join(withTempDir(t), "o.gguf"), onProgress });
    return norm;
  };
  for (const mode of ["overfill", "sft"] as const) {
    const { full: _, ...alone } = usual;
    const plain = await gradient(mode === "sft" ? { ...alone, mode } : { ...usual, mode });
    const distilled = await gradient({ ...usual, mode, distillation: { share: 1 } });
    t.true(distilled < 0.01 * plain, `${mode}: ${distilled} of ${plain}`);
  }
});

test("equal options give an equal file; another seed does not", async (t) => {
  const { model, data } = t.context;
  const train = (seed: number) =>
    heal({ ...short, seed, full: model, student: model, data, out: join(withTempDir(t), "o.gguf") });
  const [a, b, c] = [await train(5), await train(5), await train(6)];
  t.deepEqual(a.losses, b.losses);
  t.is(hashOf(a.path), hashOf(b.path));
  t.notDeepEqual(a.losses, c.losses);
  t.not(hashOf(a.path), hashOf(c.path));
});

test("an interrupted training that is resumed gives the file of an uninterrupted one", async (t) => {
  const { model, data } = t.context;
  const usual = { ...short, maxSteps: 12, full: model, student: model, data, checkpointInterval: 4, randomCutoff: 0.5 };
  const whole = await heal({ ...usual, out: join(withTempDir(t), "o.gguf") });

  const folder = withTempDir(t);
  const files = { out: join(folder, "o.gguf"), log: join(folder, "log.jsonl") };
  const controller = new AbortController();
  const stopped = heal({
    ...{ ...usual, ...files, signal: controller.signal },
    onProgress: ({ stage, step }) => stage === "training" && step >= 5 && controller.abort("enough"),
  });
  t.is(await stopped.catch((error: unknown) => error), "enough");
  t.deepEqual(readdirSync(folder).sort(), ["log.jsonl", "o.gguf.checkpoint"]);

  const resumed = await heal({ ...usual, ...files, resume: true });
  t.true((resumed.firstStep ?? 0) >= 4, `${resumed.firstStep}`);
  t.is(resumed.steps, 12);
  t.deepEqual(resumed.losses, whole.losses);
  t.is(hashOf(resumed.path), hashOf(whole.path));
  const log = readFileSync(files.log, "utf8").trim().split("\n");
  t.is(log.length, 12);
  for (const line of log) t.is(typeof JSON.parse(line), "object");
});

test("a training without a checkpoint to resume begins at the beginning", async (t) => {
  const { model, data } = t.context;
  const out = join(withTempDir(t), "o.gguf");
  const result = await heal({ ...short, mode: "full", student: model, data, out, resume: true });
  t.false("firstStep" in result);
  t.is(result.steps, short.maxSteps);
});

test("bad lines are told by number and skipped", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const good = somePairs(12);
  const bad = ["{ no JSON", { prompt: "a", response: "" }, { question: "a" }];
  const lines = [bad[0] ?? "", good[0] ?? "", bad[1] ?? "", "", bad[2] ?? "", ...good.slice(1)];
  const data = writeLines(join(folder, "train.jsonl"), lines);
  const told: BadLine[] = [];
  const { badLines } = await heal({
    ...{ ...short, maxSteps: 2, mode: "full", student: model, data, out: join(folder, "o.gguf"), shuffleWindow: 1 },
    onBadLine: (line) => told.push(line),
  });
  t.deepEqual(badLines, told);
  t.deepEqual(
    told.map(({ line }) => line),
    [1, 3, 5],
  );
  for (const { path, reason } of told) {
    t.is(path, data);
    t.true(reason.length > 3);
  }
});

test("plain text is trained on in windows", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const data = join(folder, "corpus.txt");
  writeLines(data, [await writtenText(model, { answers: 6, tokensPerAnswer: 100 })]);
  for (const mode of ["full", "sft", "overfill"] as const) {
    const out = join(folder, `${mode}.gguf`);
    const full = mode === "overfill" ? { full: model } : {};
    const result = await heal({ ...short, ...full, maxSteps: 2, mode, student: model, data, out, contextSize: 64 });
    t.true(result.tokens > 0);
  }
});

test("what is frozen keeps its values, and all else that is a weight changes", async (t) => {
  const { model, data } = t.context;
  const out = join(withTempDir(t), "o.gguf");
  const freeze = ["token_embd.weight", "*norm*"];
  const whole = await heal({ ...short, mode: "full", student: model, data, out });
  const part = await heal({ ...short, mode: "full", student: model, data, out, freeze });
  t.true(part.trainedParameters < whole.trainedParameters);
  const [before, after] = [await readGguf(model), await readGguf(out)];
  t.deepEqual(after.tensors.map(({ name }) => name).sort(), before.tensors.map(({ name }) => name).sort());
  for (const { name } of before.tensors) {
    const same = Buffer.from(tensorValues(before, name).buffer).equals(Buffer.from(tensorValues(after, name).buffer));
    t.is(same, name === "token_embd.weight" || name.includes("norm"), name);
  }
});

test("LoRA trains few values and is merged into a model like any other", async (t) => {
  const { model, data } = t.context;
  const out = join(withTempDir(t), "o.gguf");
  const lora = { rank: 4, alpha: 8, targets: ["*attn_q*"] };
  const result = await heal({ ...short, full: model, student: model, data, out, lora });
  // Two layers, each with factors of 64 x 4 and 4 x 128.
  t.is(result.trainedParameters, 2 * 4 * (64 + 128));
  const [before, after] = [await readGguf(model), await readGguf(out)];
  t.deepEqual(after.tensors.map(({ name }) => name).sort(), before.tensors.map(({ name }) => name).sort());
  for (const { name } of before.tensors) {
    const same = Buffer.from(tensorValues(before, name).buffer).equals(Buffer.from(tensorValues(after, name).buffer));
    t.is(same, !name.includes("attn_q"), name);
  }
});

test("the model is written in the type that is asked for", async (t) => {
  const { model, data } = t.context;
  for (const type of ["f16", "bf16", "q8_0"] as const) {
    const out = join(withTempDir(t), "o.gguf");
    const { sizeBytes } = await heal({ ...short, maxSteps: 1, mode: "full", student: model, data, out, type });
    t.is(sizeBytes, readFileSync(out).length);
    const { tensors } = await readGguf(out);
    t.is(tensors.find(({ name }) => name === "blk.0.attn_q.weight")?.type, type);
    t.is(tensors.find(({ name }) => name === "output_norm.weight")?.type, "f32");
    await openPair(t, { prefill: out });
  }
});

test("evaluations that get no better end the training", async (t) => {
  const { model, data } = t.context;
  const out = join(withTempDir(t), "o.gguf");
  const { reason, steps, evaluations } = await heal({
    ...{ ...short, mode: "full", student: model, data, evalData: data, out, maxSteps: 50 },
    // Far too fast to learn anything.
    ...{ learningRate: 0.3, clip: 0, evalInterval: 1, patience: 3 },
  });
  t.is(reason, "patience");
  t.true(steps < 50);
  t.is(evaluations.length, steps + 1);
});

test("the share that the student reads itself, cut-offs and refreshes are trained on", async (t) => {
  const { model, data } = t.context;
  const usual = { ...short, maxSteps: 2, full: model, student: model, data };
  for (const options of [{ promptRatio: 0.5 }, { promptRatio: 0 }, { randomCutoff: 1 }, { refreshInterval: 2 }]) {
    const result = await heal({ ...usual, ...options, out: join(withTempDir(t), "o.gguf") });
    t.true(result.losses.every(Number.isFinite), JSON.stringify(options));
  }
});
