/** The flags of `heal` and `create` without running them. */

import test from "ava";
import { addCreateCommand, toCreateOptions } from "../../lib/cli/commands/create/flags.js";
import { addHealCommand, toHealAnswers, toHealOptions } from "../../lib/cli/commands/heal/flags.js";
import { flagOfParameter } from "../../lib/cli/flags.js";
import { makeProgram } from "../../lib/cli/program.js";
import { checkCreateModelOptions, checkHealOptions } from "../../lib/train/validation.js";
import { parseFlags } from "./parse-flags.js";

const parseCreate = (text: string) => parseFlags(addCreateCommand, text.split(" "));

const healOptions = async (text: string) =>
  toHealOptions("student.gguf", await parseFlags(addHealCommand, text.split(" ")));

test("the example of the first page is understood", async (t) => {
  const options = await healOptions(
    "student.gguf --full full.gguf --data train.jsonl --eval held-out.jsonl -o healed.gguf",
  );
  t.deepEqual(options, {
    full: { model: "full.gguf" },
    student: { model: "student.gguf" },
    ...{ data: "train.jsonl", evalData: "held-out.jsonl", out: "healed.gguf" },
  });
  t.notThrows(() => checkHealOptions(options));
});

test("every flag of heal reaches the option of the API that it stands for", async (t) => {
  const options = await healOptions(
    "student.gguf --mode overfill --full f.gguf --data d.jsonl --eval e.jsonl -o o.gguf --checkpoint c --resume --log l " +
      "--plot p.svg --translator t.gguf --train-translator --translator-out u.gguf --translator-type F16 --prompt-ratio 0.5 --random-cutoff 0.25 --refresh-interval 64 " +
      "--distil-share 0.75 --distil-temperature 3 --lora-rank 8 --lora-alpha 16 --lora-target *attn_q* " +
      "--lora-target *attn_v* --freeze token_embd.weight --freeze *norm* --type Q8_0 --context 128 --batch 4 " +
      "--micro-batch-tokens 512 --max-steps 9 --learning-rate 1e-3 --schedule linear --warm-up 0.1 --rate-floor 0.2 " +
      "--weight-decay 0.3 --beta1 0.8 --beta2 0.99 --epsilon 1e-6 --clip 0 --seed 7 --shuffle-window 1 " +
      "--max-bad-lines 0 --eval-interval 5 --patience 2 --max-eval-examples 11 --checkpoint-interval 3 --threads 2 " +
      "--gpu off --gpu-layers 0",
  );
  t.deepEqual(options, {
    mode: "overfill",
    full: { model: "f.gguf", gpuLayers: 0 },
    student: { model: "student.gguf", gpuLayers: 0 },
    ...{ data: "d.jsonl", evalData: "e.jsonl", out: "o.gguf", type: "q8_0", checkpoint: "c", resume: true, log: "l" },
    ...{ trainTranslator: true, translatorOut: "u.gguf", translatorType: "f16" },
    ...{ translator: "t.gguf", promptRatio: 0.5, randomCutoff: 0.25, refreshInterval: 64 },
    distillation: { share: 0.75, temperature: 3 },
    lora: { rank: 8, alpha: 16, targets: ["*attn_q*", "*attn_v*"] },
    freeze: ["token_embd.weight", "*norm*"],
    ...{ contextSize: 128, batchSize: 4, microBatchTokens: 512, maxSteps: 9, learningRate: 1e-3, schedule: "linear" },
    ...{ warmUp: 0.1, rateFloor: 0.2, weightDecay: 0.3, beta1: 0.8, beta2: 0.99, epsilon: 1e-6, clip: 0, seed: 7 },
    ...{ shuffleWindow: 1, maxBadLines: 0, evalInterval: 5, patience: 2, maxEvalExamples: 11, checkpointInterval: 3 },
    ...{ threads: 2, gpu: false },
  });
  t.notThrows(() => checkHealOptions(options));
  t.like(await healOptions("s.gguf --data d.txt -o o.gguf --mode full --epochs 2.5"), { mode: "full", epochs: 2.5 });
});

test("the reader's factors are told by their rank, and none by 0", async (t) => {
  const reader = "--train reader --full f --data d -o o";
  const both = await healOptions(
    "--train both --reader-out r --full f --data d -o o --reader-rank 4 --reader-alpha 8 --reader-target *attn_k* --reader-target *attn_v*",
  );
  t.like(both, { train: "both", readerOut: "r", readerLora: { rank: 4, alpha: 8, targets: ["*attn_k*", "*attn_v*"] } });
  t.notThrows(() => checkHealOptions(both));
  t.false("readerLora" in (await healOptions(reader)));
  t.is((await healOptions(`${reader} --reader-rank 0`)).readerLora, false);
  t.deepEqual((await healOptions(`${reader} --reader-alpha 8`)).readerLora, { rank: 16, alpha: 8 });
  await t.throwsAsync(healOptions(`${reader} --reader-rank 0 --reader-alpha 8`), { message: /--reader-alpha/ });
});

test("prompts are answered by the full model first, and its answers are the data", async (t) => {
  const flags = await parseFlags(
    addHealCommand,
    "s --full f.gguf --prompts p.jsonl -o o.gguf --max-tokens 64 --temp 0 --stop X --seed 3 --resume --gpu off".split(
      " ",
    ),
  );
  t.is(toHealOptions("s.gguf", flags).data, "o.gguf.answers.jsonl");
  t.deepEqual(toHealAnswers(flags), {
    ...{ model: { model: "f.gguf" }, data: "p.jsonl", out: "o.gguf.answers.jsonl", resume: true, maxTokens: 64 },
    ...{ temperature: 0, stop: ["X"], seed: 3, gpu: false },
  });
  const without = await parseFlags(addHealCommand, "s --prompts p.jsonl -o o.gguf --answers-out a.jsonl".split(" "));
  t.is(toHealOptions("s.gguf", without).data, "a.jsonl");
  t.throws(() => toHealAnswers(without), { message: /--prompts needs --full/ });
  const neither = await parseFlags(addHealCommand, "s -o o.gguf".split(" "));
  t.throws(() => toHealOptions("s.gguf", neither), { message: /--data, or --prompts/ });
  const alone = await parseFlags(addHealCommand, "s --data d.jsonl -o o.gguf --temp 1".split(" "));
  t.throws(() => toHealOptions("s.gguf", alone), { message: /--temp is for responses to --prompts/ });
  t.is(toHealAnswers(alone), undefined);
});

test("the two models of a training may be named as those of a pair", async (t) => {
  const flags = await parseFlags(addHealCommand, "--prefill f --decode s --data d -o o".split(" "));
  t.like(toHealOptions(undefined, flags), { full: { model: "f" }, student: { model: "s" } });
  t.throws(() => toHealOptions("t", flags), { message: /^--decode and an argument name the same file/ });
});

test("what heal and create need is told", async (t) => {
  const none = "heal s.gguf -o o";
  await t.throwsAsync(makeProgram().parseAsync(none.split(" "), { from: "user" }), {
    message: /--data, or --prompts/,
  });
  await t.throwsAsync(makeProgram().parseAsync(["heal", "--data", "d", "-o", "o"], { from: "user" }), {
    message: /missing required argument 'student'/,
  });
  const both = "heal s.gguf --data d -o o --epochs 1 --max-steps 2";
  await t.throwsAsync(makeProgram().parseAsync(both.split(" "), { from: "user" }), { message: /cannot be used with/ });
  await t.throwsAsync(makeProgram().parseAsync(["create", "-o", "a.gguf"], { from: "user" }), {
    message: /required option '--tokenizer <file>' not specified/,
  });
});

test("every flag of create reaches its option", async (t) => {
  const needed = "-o new.gguf --tokenizer demo.gguf --hidden 128 --ffn 384 --layers 4 --heads 4 --kv-heads 2";
  const shape = { hiddenSize: 128, feedForwardSize: 384, layers: 4, heads: 4, kvHeads: 2 };
  const least = toCreateOptions(await parseCreate(needed));
  t.deepEqual(least, { out: "new.gguf", tokenizer: "demo.gguf", ...shape, tiedOutput: true });
  t.notThrows(() => checkCreateModelOptions(least));
  const more = `${needed} --head-size 64 --context 256 --rope-base 5e5 --norm-epsilon 1e-6 --no-tied-output --type f16 --seed 3 --name New`;
  const all = toCreateOptions(await parseCreate(more));
  t.deepEqual(all, {
    ...{ out: "new.gguf", tokenizer: "demo.gguf", ...shape, headSize: 64, contextSize: 256, ropeBase: 5e5 },
    ...{ normEpsilon: 1e-6, tiedOutput: false, type: "f16", seed: 3, name: "New" },
  });
  t.notThrows(() => checkCreateModelOptions(all));
});

test("options inside an option are told by their flags", (t) => {
  const names: readonly (readonly [parameter: string, flag: string])[] = [
    ["options.student", "<student>"],
    ["options.student.gpuLayers", "--gpu-layers"],
    ["options.full.gpuLayers", "--gpu-layers"],
    ["options.full", "--full"],
    ["options.evalData", "--eval"],
    ["options.distillation.share", "--distil-share"],
    ["options.distillation.temperature", "--distil-temperature"],
    ["options.lora.rank", "--lora-rank"],
    ["options.lora.targets.0", "--lora-target"],
    ["options.readerLora.rank", "--reader-rank"],
    ["options.readerLora.targets.0", "--reader-target"],
    ["options.readerLora", "--reader-rank"],
    ["options.readerOut", "--reader-out"],
    ["options.train", "--train"],
    ["options.freeze.1", "--freeze"],
    ["options.contextSize", "--context"],
    ["options.batchSize", "--batch"],
    ["options.beta2", "--beta2"],
    ["data", "--data"],
  ];
  for (const [parameter, flag] of names) t.is(flagOfParameter(parameter, "heal"), flag);
  t.is(flagOfParameter("options.hiddenSize", "create"), "--hidden");
  t.is(flagOfParameter("options.layers", "create"), "--layers");
  t.is(flagOfParameter("options.kvHeads", "create"), "--kv-heads");
});
