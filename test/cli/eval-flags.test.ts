/** The flags of `eval` without running it. */

import test from "ava";
import { addEvalCommand, toEvaluateOptions } from "../../lib/cli/commands/eval/flags.js";
import { flagOfParameter } from "../../lib/cli/flags.js";
import { makeProgram } from "../../lib/cli/program.js";
import { checkEvaluateOptions } from "../../lib/eval/validation.js";
import { parseFlags } from "./parse-flags.js";

const optionsOf = async (text: string) => toEvaluateOptions(await parseFlags(addEvalCommand, text.split(" ")));

test("the example of the first page is understood", async (t) => {
  const options = await optionsOf("--prefill f.gguf --decode d.gguf --data e.jsonl");
  t.deepEqual(options, { prefill: { model: "f.gguf" }, decode: { model: "d.gguf" }, data: "e.jsonl" });
  t.notThrows(() => checkEvaluateOptions(options));
});

test("every flag reaches the option of the API that it stands for", async (t) => {
  const options = await optionsOf(
    "--prefill f.gguf --decode d.gguf --data e.jsonl --task generate --refresh 8,32 --refresh-budget 0.05,0.2 --quality exact,0.3 --metrics f1,bleu --max-examples 9 " +
      "--max-tokens 64 --stop A --stop B --window 100 --timed-tokens 0 --confidence 0.9 --resamples 500 --seed 7 " +
      "--max-bad-lines 3 --context 256 --threads 2 --batch 64 --gpu off --gpu-layers 0 --handover share " +
      "--cache-type-k q8_0 --cache-type-v f32 --decode-cache-type-k f16 --decode-cache-type-v bf16 --translator t.gguf " +
      "-o r.json --plot p.svg --samples s.jsonl",
  );
  t.deepEqual(options, {
    prefill: { model: "f.gguf", gpuLayers: 0 },
    decode: { model: "d.gguf", gpuLayers: 0, cacheTypeK: "f16", cacheTypeV: "bf16" },
    ...{ data: "e.jsonl", task: "generate", refreshIntervals: [8, 32], metrics: ["f1", "bleu"], maxExamples: 9 },
    ...{ refreshBudgets: [0.05, 0.2], qualities: ["exact", { acceptance: 0.3 }] },
    ...{ maxTokens: 64, stop: ["A", "B"], windowSize: 100, timedTokens: 0, confidence: 0.9, resamples: 500, seed: 7 },
    ...{ maxBadLines: 3, contextSize: 256, threads: 2, batchSize: 64, gpu: false, handover: "share" },
    ...{ cacheTypeK: "q8_0", cacheTypeV: "f32", translator: "t.gguf" },
  });
  t.notThrows(() => checkEvaluateOptions(options));
  const mapped = await optionsOf("--prefill f.gguf --data e.jsonl --layer-map 0,2");
  t.deepEqual(mapped.translator, { layers: [0, 2] });
});

test("what eval needs is told", async (t) => {
  const none = makeProgram().parseAsync(["eval", "--prefill", "f.gguf"], { from: "user" });
  await t.throwsAsync(none, { message: /required option '--data <file>' not specified/ });
  const list = makeProgram().parseAsync("eval --prefill f --data d --refresh 8,x".split(" "), { from: "user" });
  await t.throwsAsync(list, { message: /Expected a number/ });
});

test("options are told by their flags", (t) => {
  const names: readonly (readonly [parameter: string, flag: string])[] = [
    ["options.prefill", "--prefill"],
    ["options.prefill.gpuLayers", "--gpu-layers"],
    ["options.refreshIntervals.1", "--refresh"],
    ["options.refreshBudgets.0", "--refresh-budget"],
    ["options.qualities.1", "--quality"],
    ["options.windowSize", "--window"],
    ["options.metrics", "--metrics"],
    ["options.timedTokens", "--timed-tokens"],
    ["options.contextSize", "--context"],
    ["options.decode.cacheTypeK", "--decode-cache-type-k"],
    ["data", "--data"],
  ];
  for (const [parameter, flag] of names) t.is(flagOfParameter(parameter, "eval"), flag);
});
