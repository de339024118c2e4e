/** The flags of `answer` without running it, and what it says of a result. */

import test from "ava";
import { addAnswerCommand, toAnswerOptions } from "../../lib/cli/commands/answer/flags.js";
import { describeStop, detailOfAnswers, renderAnswers } from "../../lib/cli/commands/answer/render.js";
import { flagOfParameter } from "../../lib/cli/flags.js";
import { checkAnswerOptions } from "../../lib/eval/answers/validation.js";
import type { AnswerPromptsResult } from "../../lib/index.js";
import { parseFlags } from "./parse-flags.js";

const optionsOf = async (text: string) => toAnswerOptions(await parseFlags(addAnswerCommand, text.split(" ")));

test("the first example of the help is understood", async (t) => {
  const options = await optionsOf("--model full.gguf --data prompts.jsonl -o train.jsonl --answers 4");
  t.deepEqual(options, { model: { model: "full.gguf" }, data: "prompts.jsonl", out: "train.jsonl", answers: 4 });
  t.notThrows(() => checkAnswerOptions(options));
});

test("every flag reaches the option of the API that it stands for", async (t) => {
  const options = await optionsOf(
    "--model f.gguf --data d.jsonl --from-text a.txt --from-text b.txt -o o.jsonl --resume --prompt-tokens 64 " +
      "--template {text}? --max-bad-lines 3 --answers 2 --max-tokens 32 --stop A --stop B --temp 0.5 --top-k 10 " +
      "--top-p 0.9 --min-p 0.1 --seed 7 --deterministic --keep-cut --keep-duplicates --similarity 0.7 --sessions 4 " +
      "--context 512 --batch 64 --threads 2 --gpu off --gpu-layers 0 --mmap",
  );
  t.deepEqual(options, {
    model: { model: "f.gguf", gpuLayers: 0, mmap: true },
    ...{ data: "d.jsonl", fromText: ["a.txt", "b.txt"], out: "o.jsonl", resume: true, promptTokens: 64 },
    ...{ template: "{text}?", maxBadLines: 3, answers: 2, maxTokens: 32, stop: ["A", "B"], temperature: 0.5 },
    ...{ topK: 10, topP: 0.9, minP: 0.1, seed: 7, deterministic: true, keepCut: true, keepDuplicates: true },
    ...{ similarity: 0.7, sessions: 4, contextSize: 512, batchSize: 64, threads: 2, gpu: false },
  });
  t.notThrows(() => checkAnswerOptions(options));
});

test("options are told by their flags", (t) => {
  for (const [parameter, flag] of [
    ["options.model", "--model"],
    ["options.model.gpuLayers", "--gpu-layers"],
    ["options.prefill.gpuLayers", "--gpu-layers"],
    ["options.prefill.model", "--model"],
    ["options.data", "--data"],
    ["options.fromText", "--from-text"],
    ["options.temperature", "--temp"],
    ["options.contextSize", "--context"],
    ["options.keepCut", "--keep-cut"],
  ] as const)
    t.is(flagOfParameter(parameter, "answer"), flag);
});

const result: AnswerPromptsResult = {
  ...{ path: "train.jsonl", prompts: 1200, answers: 2400, kept: 900, cutOff: 1300, duplicates: 190, failed: 10 },
  ...{ tokens: 123_456, badLines: [{ path: "p", line: 2, reason: "no" }], tokensPerSecond: 45.6, ms: 90_000 },
};

test("a result is told with all that was left out", (t) => {
  const told = renderAnswers({ ...result, firstPrompt: 200 });
  for (const words of [
    /1,200, from 201 on/,
    /cut off +│ +1,300/,
    /repeated +│ +190/,
    /no text +│ +10/,
    /1 bad line was/,
  ])
    t.regex(told, words);
  t.regex(told, /longer than 256 tokens: raise --max-tokens, or name a --stop/);
  t.regex(told, /Next: overfill heal .* --data train\.jsonl/);
  const good = renderAnswers({ ...result, cutOff: 0, badLines: [] });
  t.notRegex(good, /bad line|--max-tokens|from \d+ on/);
  t.notRegex(renderAnswers({ ...result, kept: 0 }), /Next:/);
});

test("the progress tells prompts, what was kept and the speed", (t) => {
  const news = { stage: "answering", prompts: 3, totalPrompts: 1000, kept: 5, tokens: 9, fraction: 0 } as const;
  t.is(detailOfAnswers({ ...news, tokensPerSecond: 0 }), "3/1,000, 5 kept");
  t.regex(detailOfAnswers({ ...news, tokensPerSecond: 20 }), /^3\/1,000, 5 kept, 20.* tokens\/s|tok/);
  t.is(describeStop(3, 9, "o"), "Stopped after 3 of 9 prompts. The same command with --resume goes on in o.");
});
