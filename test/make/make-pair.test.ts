/** Pairs are made of the little model of look-ups, interrupted, gone on with, and loaded. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { loadPair, type MakePairOptions, type MakeProgress, makePair, planPair } from "../../lib/index.js";
import { createModel } from "../../lib/train/index.js";
import { refusal } from "../engine/fixtures.js";
import { lookupPair, lookupPrompt, lookups } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";

const model = String(lookupPair.prefill.model);

/** Options of a small piece of work on look-ups, in a folder of its own. */
function workOf(t: ExecutionContext, count = 24): MakePairOptions & { readonly out: string; readonly data: string } {
  const folder = withTempDir(t);
  const data = join(folder, "prompts.jsonl");
  writeFileSync(
    data,
    lookups(7, { count })
      .map(({ prompt }) => `${JSON.stringify({ prompt })}\n`)
      .join(""),
  );
  return {
    ...{ model, data, out: join(folder, "pair"), threads: 1, contextSize: 256, window: 47 },
    answering: { maxTokens: 8, temperature: 0, keepCut: true },
    healing: { maxSteps: 2, batchSize: 4 },
  };
}

const read = (folder: string, name: string) => readFileSync(join(folder, name), "utf8");
const said = (folder: string) => JSON.parse(read(folder, "overfill.json"));

async function answers(folder: string): Promise<boolean> {
  const pair = await loadPair(folder);
  try {
    const session = await pair.createSession();
    return (await session.generate(lookupPrompt, { maxTokens: 4, temperature: 0 })).tokens.length > 0;
  } finally {
    await pair.dispose();
  }
}

test.serial("a pair of a size is pruned, healed, quantised, told of, and loads", async (t) => {
  const work = workOf(t);
  const news: MakeProgress[] = [];
  const made = await makePair({ ...work, targetSize: "400K", onProgress: (one) => news.push(one) });
  t.true(made.pruned);
  t.true(made.model.parameters <= 400_000);
  t.is(made.model.type, "q8_0");
  t.is(made.prompts + made.heldOut, 24);
  t.true((made.evaluation.rows.find(({ row }) => row === "two-stage")?.figures.agreementAfterFirst?.value ?? -1) >= 0);
  t.truthy(made.healed);
  t.true(made.speedUp > 0);
  t.deepEqual(readdirSync(work.out).sort(), ["card.md", "card.svg", "decode.gguf", "overfill.json", "work"]);
  t.deepEqual(said(work.out).prefill, { model });
  t.is(said(work.out).contextSize, 256);
  const card = read(work.out, "card.md");
  for (const words of [/^---\n/, /## Data and training/, /## Scores/, /agreement/, /## Speed/, /!\[.*\]\(card\.svg\)/])
    t.regex(card, words);
  t.notRegex(card, /NaN|undefined|Infinity/);
  t.regex(card, /^license: "MIT"$/m);
  t.regex(card, /The full model's, from which the writer was made: MIT\./);
  t.regex(read(work.out, "card.svg"), /^<svg .*<\/svg>\n$/s);
  t.true(await answers(work.out));
  const steps = [...new Set(news.map(({ step }) => step))];
  t.deepEqual(steps, [
    ...[
      "measuring",
      "answering",
      "importance",
      "choosing",
      "pruning",
      "healing",
      "evaluating",
      "quantizing",
      "comparing",
    ],
  ]);
  t.true(news.some(({ step, loss }) => step === "healing" && loss !== undefined && loss > 0));
  t.true(news.every(({ fraction, index, steps: all }) => fraction >= 0 && fraction <= 1 && index >= 1 && index <= all));
  t.true(news.some(({ remainingMs }) => remainingMs !== undefined && remainingMs > 0));

  // Once more: all is there.
  const before = read(work.out, "overfill.json");
  const again: string[] = [];
  await makePair({ ...work, targetSize: "400K", onProgress: ({ step, fraction }) => fraction > 0 && again.push(step) });
  t.deepEqual(again, []);
  t.is(read(work.out, "overfill.json"), before);
});

test.serial("a pair of the full model and its quantisation needs no training", async (t) => {
  const work = workOf(t, 4);
  const made = await makePair({ ...work, quantize: "q4_0" });
  t.false(made.pruned);
  t.is(made.healed, undefined);
  t.is(made.model.type, "q4_0");
  t.regex(read(work.out, "card.md"), /nothing was pruned/);
  t.true(await answers(work.out));
});

for (const type of ["q2_k", "iq1_s"] as const)
  test.serial(`a pair with a writer at ${type} is made, scored and loads`, async (t) => {
    const work = workOf(t, 6);
    // Types of super-blocks need rows of whole ones.
    const full = join(work.out, "..", "full.gguf");
    await createModel({
      out: full,
      tokenizer: model,
      hiddenSize: 256,
      feedForwardSize: 256,
      layers: 2,
      heads: 4,
      kvHeads: 2,
    });
    const made = await makePair({ ...work, model: full, quantize: type });
    t.false(made.pruned);
    t.is(made.model.type, type);
    t.true(made.model.sizeBytes < statSync(full).size / 2);
    const card = read(work.out, "card.md");
    for (const words of [new RegExp(type), /## Scores/, /agreement/, /## Speed/]) t.regex(card, words);
    t.notRegex(card, /NaN|undefined|Infinity/);
    const figures = made.evaluation.rows.find(({ row }) => row === "two-stage")?.figures;
    t.true((figures?.agreementAfterFirst?.value ?? -1) >= 0);
    t.true((figures?.divergenceAfterFirst?.value ?? 0) > 0);
    t.true(made.speedUp > 0);
    t.true(await answers(work.out));
  });

test.serial("a pair in two rounds is pruned twice", async (t) => {
  const work = workOf(t);
  const made = await makePair({ ...work, targetSize: "300K", rounds: 2 });
  t.deepEqual(
    made.steps.map(({ step }) => step).filter((step) => step === "pruning" || step === "healing"),
    ["pruning", "healing", "pruning", "healing"],
  );
  t.true(made.model.parameters <= 300_000);
  t.true(await answers(work.out));
});

test.serial("a pair of a speed is timed, and an impossible speed refused", async (t) => {
  const work = workOf(t, 4);
  const error = await refusal(t, "ERR_TARGET_UNREACHABLE", makePair({ ...work, speedUp: 100 }));
  t.regex(error.message, /can be had/);
  t.false(existsSync(join(work.out, "overfill.json")));
  const made = await makePair({ ...work, speedUp: 1.01 });
  t.true(made.tried.length > 0);
});

test.serial("an abort leaves what is done, and the same call goes on", async (t) => {
  const work = { ...workOf(t), targetSize: "400K" };
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ step }: MakeProgress) => step === "healing" && stop.abort(reason);
  t.is(await t.throwsAsync(makePair({ ...work, onProgress, signal: stop.signal })), reason);
  t.false(existsSync(join(work.out, "overfill.json")));
  const done: string[] = [];
  await makePair({ ...work, onProgress: ({ step, fraction }) => fraction > 0 && done.push(step) });
  t.false(done.includes("answering") || done.includes("importance"));
  t.true(done.includes("healing"));
});

for (const when of ["answering ", "importance calibrating", "healing step 1", "comparing "])
  test.serial(`a process that is killed while ${when.trim()} can be gone on with`, async (t) => {
    const work = { ...workOf(t), targetSize: "400K", healing: { maxSteps: 4, batchSize: 4, checkpointInterval: 1 } };
    const child = fork(fileURLToPath(new URL("making-child.ts", import.meta.url)), [JSON.stringify(work)], {
      execArgv: ["--import=tsx"],
    });
    child.on("message", (told) => String(told).startsWith(when) && child.kill("SIGKILL"));
    const [, signal] = await once(child, "exit");
    t.is(signal, "SIGKILL");
    const whole = await makePair({ ...work, out: join(work.out, "..", "whole") });
    const goneOn = await makePair(work);
    t.true(await answers(work.out));
    t.deepEqual(goneOn.model, whole.model);
    t.deepEqual(readFileSync(join(work.out, "decode.gguf")), readFileSync(join(whole.path, "decode.gguf")));
  });

test.serial("a second call in a folder is refused with the process of the first, until that has ended", async (t) => {
  const work = { ...workOf(t, 4), quantize: "q8_0" as const };
  const child = fork(
    fileURLToPath(new URL("making-child.ts", import.meta.url)),
    [JSON.stringify(work), "stand still"],
    {
      execArgv: ["--import=tsx"],
    },
  );
  const exit = once(child, "exit");
  await once(child, "message");
  const error = await refusal(t, "ERR_PAIR_FOLDER_BUSY", makePair(work));
  t.deepEqual(error.details, { path: work.out, pid: child.pid });
  child.kill("SIGKILL");
  await exit;
  await makePair(work);
  t.true(await answers(work.out));
});

test.serial("other options do again what depends on them", async (t) => {
  const work = { ...workOf(t), targetSize: "400K" };
  await makePair(work);
  const done: string[] = [];
  const onProgress = ({ step, fraction }: MakeProgress) => fraction > 0 && done.push(step);
  await makePair({ ...work, healing: { maxSteps: 3, batchSize: 4 }, onProgress });
  t.false(done.some((step) => ["measuring", "answering", "importance", "choosing", "pruning"].includes(step)));
  t.true(done.includes("healing") && done.includes("comparing"));
});

test.serial("a plan tells sizes and times, and writes nothing", async (t) => {
  const work = workOf(t);
  const plan = await planPair({ ...work, targetSize: "400K" });
  t.true(plan.model.parameters <= 400_000);
  t.true(plan.machine.decodeTokensPerSecond > 0 && plan.machine.prefillTokensPerSecond > 0);
  t.is(
    plan.ms,
    plan.steps.reduce((sum, { ms }) => sum + ms, 0),
  );
  t.true(plan.steps.every(({ ms }) => ms > 0));
  t.false(existsSync(work.out));
  t.true((await planPair({ ...work, speedUp: 1.5 })).model.sizeBytes > 0);
});

test.serial("the data's own responses are learned where they are to be kept", async (t) => {
  const work = workOf(t);
  const lines = lookups(7, { count: 8 }).map(({ prompt, answer }) => JSON.stringify({ prompt, response: answer }));
  writeFileSync(work.data, lines.join("\n"));
  await makePair({ ...work, targetSize: "400K", responses: "keep" });
  const learned = read(join(work.out, "work"), "train.jsonl").trim().split("\n");
  t.true(learned.every((line) => lines.includes(line)));
});

test.serial("a model inside of the folder is named by a path of the folder", async (t) => {
  const work = workOf(t, 4);
  await makePair({ ...work, quantize: "q8_0" });
  writeFileSync(join(work.out, "full.gguf"), readFileSync(model));
  await makePair({ ...work, model: join(work.out, "full.gguf"), quantize: "q8_0" });
  t.deepEqual(said(work.out).prefill, { model: "full.gguf" });
});

const bad: Readonly<Record<string, readonly [Partial<MakePairOptions>, string]>> = {
  "no target": [{}, "ERR_INVALID_ARGUMENT"],
  "two targets": [{ speedUp: 2, targetSize: "1M" }, "ERR_INVALID_ARGUMENT"],
  "no speed-up at all": [{ speedUp: 1 }, "ERR_INVALID_ARGUMENT"],
  "a speed-up beyond reason": [{ speedUp: 1001 }, "ERR_INVALID_ARGUMENT"],
  "a size that is no number": [{ targetSize: "big" }, "ERR_INVALID_ARGUMENT"],
  "a size above the full model's": [{ targetSize: "1B" }, "ERR_INVALID_ARGUMENT"],
  "bytes above the full model's": [{ targetBytes: "1GB" }, "ERR_INVALID_ARGUMENT"],
  "a size that nothing comes to": [{ targetSize: 1000 }, "ERR_TARGET_UNREACHABLE"],
  "a copy": [{ quantize: "copy" }, "ERR_INVALID_ARGUMENT"],
  "three rounds": [{ targetSize: "400K", rounds: 3 as 2 }, "ERR_INVALID_ARGUMENT"],
  "an unknown option": [{ targetSize: "400K", healing: { learningrate: 1 } as object }, "ERR_INVALID_ARGUMENT"],
  "a learning rate that training refuses": [
    { targetSize: "400K", healing: { learningRate: 2 } },
    "ERR_INVALID_ARGUMENT",
  ],
  "answers of no tokens": [{ targetSize: "400K", answering: { maxTokens: 0 } }, "ERR_INVALID_ARGUMENT"],
  "a model that is not there": [{ targetSize: "400K", model: "none.gguf" }, "ERR_MODEL_NOT_FOUND"],
  "a folder as a model": [{ targetSize: "400K", model: "." }, "ERR_MODEL_NOT_A_FILE"],
  "prompts that are not there": [{ targetSize: "400K", data: "none.jsonl" }, "ERR_FILE_READ_FAILED"],
};

for (const [what, [options, code]] of Object.entries(bad))
  test.serial(`${what} is refused`, async (t) => {
    const work = workOf(t, 4);
    await refusal(t, code as "ERR_INVALID_ARGUMENT", makePair({ ...work, ...options }));
    t.false(existsSync(join(work.out, "overfill.json")));
  });

for (const [what, text] of Object.entries({
  "an empty file": "",
  "one prompt": '{"prompt":"a"}\n',
  "one prompt twice": '{"prompt":"a"}\n{"prompt":"a"}\n',
  "lines without prompts": '{"text":"a"}\n{"text":"b"}\n',
}))
  test.serial(`${what} is refused as data`, async (t) => {
    const work = workOf(t);
    writeFileSync(work.data, text);
    const error = await refusal(t, "ERR_DATA_INVALID", makePair({ ...work, targetSize: "400K" }));
    t.regex(error.message, /two prompts/);
    rmSync(work.data);
  });
