/** `overfill make`: its flags, a dry run, a pair, and what it says when it is stopped or used wrongly. */

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { addMakeCommand, toMakeOptions } from "../../lib/cli/commands/make/flags.js";
import { detailOfMaking, stageOfMaking } from "../../lib/cli/commands/make/render.js";
import { checkMakeOptions } from "../../lib/make/validation.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand } from "./command-process.js";
import { parseFlags } from "./parse-flags.js";

const model = String(lookupPair.prefill.model);

const makeFlags = (text: string) => parseFlags(addMakeCommand, text.split(" "));

test("every flag reaches the option of the API that it stands for", async (t) => {
  const flags = await makeFlags(
    "full.gguf -o pair --data p.jsonl --text t.txt --speed-up 2 --quantize Q4_K_M --keep-responses --answers 2 " +
      "--max-tokens 64 --temp 0.5 --stop X --stop Y --sessions 4 --keep-cut --held-out 9 --window 64 --multiple 32 " +
      "--rounds 2 --max-steps 7 --batch 4 --learning-rate 1e-4 --distil-share 0.5 --checkpoint-interval 3 --seed 5 " +
      "--max-bad-lines 1 --context 512 --threads 3 --gpu off --gpu-layers all --mmap",
  );
  const options = toMakeOptions("full.gguf", flags);
  t.deepEqual(options, {
    model: { model: "full.gguf", gpuLayers: "all", mmap: true },
    ...{ out: "pair", data: "p.jsonl", text: "t.txt", speedUp: 2, quantize: "q4_k_m", responses: "keep" },
    answering: { answers: 2, maxTokens: 64, temperature: 0.5, stop: ["X", "Y"], sessions: 4, keepCut: true },
    healing: {
      ...{ maxSteps: 7, batchSize: 4, learningRate: 1e-4, distillation: { share: 0.5 }, checkpointInterval: 3 },
    },
    ...{ heldOut: 9, window: 64, multiple: 32, rounds: 2, contextSize: 512, seed: 5, maxBadLines: 1, threads: 3 },
    gpu: false,
  });
  t.notThrows(() => checkMakeOptions(options));
});

test("what was not asked for is left to the API", async (t) => {
  const flags = await makeFlags("full.gguf -o pair --data p.jsonl --target-size 1.0B");
  t.deepEqual(toMakeOptions("full.gguf", flags), {
    ...{ model: { model: "full.gguf" }, out: "pair", data: "p.jsonl", targetSize: "1.0B" },
  });
});

test("the progress tells the loss first, then how long it still takes", (t) => {
  const news = { step: "healing", index: 6, steps: 9, fraction: 0.5, detail: "step 20/40", loss: 1.5 } as const;
  t.is(stageOfMaking(news), "healing (6/9)");
  t.regex(detailOfMaking({ ...news, remainingMs: 7_200_000 }), /^loss 1\.500, about 2 ?h.* left, step 20\/40$/);
  t.is(detailOfMaking({ ...news, detail: "" }), "loss 1.500");
});

function promptsOf(t: ExecutionContext): { readonly data: string; readonly out: string } {
  const folder = withTempDir(t);
  const data = join(folder, "prompts.jsonl");
  writeFileSync(
    data,
    lookups(7, { count: 6 })
      .map(({ prompt }) => `${JSON.stringify({ prompt })}\n`)
      .join(""),
  );
  return { data, out: join(folder, "pair") };
}

test.serial("a dry run tells sizes and times and makes nothing", async (t) => {
  const { data, out } = promptsOf(t);
  const args = ["make", model, "-o", out, "--data", data, "--target-size", "400K", "--max-tokens", "8", "--dry-run"];
  const { stdout, stderr, exitCode } = await runCommand(args);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /│ parameters +│ +[\d,]+ │/);
  t.regex(stdout, /Nothing was made\.\n$/);
  const { stdout: json } = await runCommand([...args, "--json"]);
  t.true(JSON.parse(json).steps.length > 3);
  t.false(existsSync(out));
});

test.serial("a folder is made, and overfill run takes it", async (t) => {
  const { data, out } = promptsOf(t);
  const args = ["make", model, "-o", out, "--data", data, "--quantize", "q4_0", "--max-tokens", "8", "--keep-cut"];
  const { stdout, stderr, exitCode } = await runCommand(args);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /│ writes, times the full model +│ +[\d.]+ │/);
  t.regex(stdout, /Next: overfill run /);
  const { exitCode: ran } = await runCommand(["run", out, "--quiet", "-p", " Anna cup", "--max-tokens", "2"]);
  t.is(ran, 0);
});

test.serial("wrong usage names the flag", async (t) => {
  const { data, out } = promptsOf(t);
  const told = async (...more: readonly string[]) => {
    const { stderr, exitCode } = await runCommand(["make", model, "-o", out, "--data", data, ...more]);
    t.is(exitCode, 2, stderr);
    return stderr;
  };
  t.regex(await told("--speed-up", "1"), /--speed-up: expected a number above 1/);
  t.regex(await told(), /--speed-up: expected speedUp, targetSize, targetBytes or quantize/);
  t.regex(await told("--target-size", "1B"), /--target-size: expected less than the full model's/);
  t.regex(await told("--target-size", "400K", "--rounds", "3"), /--rounds: /);
  t.regex(await told("--target-size", "400K", "--learning-rate", "2"), /--learning-rate: /);
  t.regex(await told("--target-size", "400K", "--temp", "-1"), /--temp: /);
  t.false(existsSync(join(out, "overfill.json")));
});
