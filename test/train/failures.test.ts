/** What training refuses, how it is stopped, and what either leaves behind. */

import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import anyTest, { type TestFn } from "ava";
import { type HealOptions, type HealProgress, heal, type OverfillErrorCode, TrainingError } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import {
  hashOf,
  short,
  somePairs,
  someText,
  type TrainingFiles,
  tinyShape,
  writeLines,
  writeTrainingFiles,
} from "./fixtures.js";

const test = anyTest as TestFn<TrainingFiles & { readonly remove: () => Promise<void> }>;

/** Models and data that are wrong, by the names that the table below uses. */
async function writeWrongFiles(folder: string): Promise<void> {
  const file = (name: string) => join(folder, name);
  writeLines(file("empty.jsonl"), []);
  writeLines(file("blank.jsonl"), ["", "  ", "\t"]);
  writeLines(
    file("bad.jsonl"),
    Array.from({ length: 20 }, () => "{ no JSON"),
  );
  writeLines(file("one-bad.jsonl"), [...somePairs(2), "{ no JSON", ...somePairs(2)]);
  writeLines(file("long.jsonl"), [{ prompt: "b", response: someText(300) }]);
  writeLines(file("chats.jsonl"), [
    {
      messages: [
        { role: "user", content: "b" },
        { role: "assistant", content: "c" },
      ],
    },
  ]);
  writeFileSync(file("empty.txt"), "");
  await writeTinyModel(file("state.gguf"), { architecture: "mamba" });
  await writeTinyModel(file("other-words.gguf"), {
    ...tinyShape,
    vocabEdit: (tokens) => tokens.map((token, i) => (i === 100 ? "other" : token)),
  });
  await writeTinyModel(file("nan.gguf"), {
    ...tinyShape,
    tensorEdit: (tensors) =>
      tensors.map((tensor) =>
        tensor.name === "output_norm.weight"
          ? { ...tensor, values: new Float32Array(tensor.values.length).fill(Number.NaN) }
          : tensor,
      ),
  });
}

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeTrainingFiles(path)), remove };
  await writeWrongFiles(path);
});
test.after.always((t) => t.context.remove?.());

type Refusal = readonly [
  title: string,
  code: OverfillErrorCode,
  message: RegExp,
  /** Names without a folder are those of the context's. */
  options: Partial<HealOptions>,
  details?: Readonly<Record<string, RegExp>>,
];

const refusals: readonly Refusal[] = [
  ["data that is not there", "ERR_FILE_READ_FAILED", /none\.jsonl/, { data: "none.jsonl" }],
  ["a folder as data", "ERR_FILE_READ_FAILED", /./, { data: "." }],
  ["data that is not there to evaluate on", "ERR_FILE_READ_FAILED", /none\.jsonl/, { evalData: "none.jsonl" }],
  ["empty data", "ERR_DATA_INVALID", /./, { data: "empty.jsonl" }, { path: /empty\.jsonl$/ }],
  ["an empty text", "ERR_DATA_INVALID", /./, { data: "empty.txt" }, { path: /empty\.txt$/ }],
  ["data of white space", "ERR_DATA_INVALID", /./, { data: "blank.jsonl" }, { path: /blank\.jsonl$/ }],
  ["data of bad lines", "ERR_DATA_INVALID", /./, { data: "bad.jsonl" }, { path: /bad\.jsonl$/, line: /^\d+$/ }],
  [
    "one bad line too many",
    "ERR_DATA_INVALID",
    /./,
    { data: "one-bad.jsonl", maxBadLines: 0, epochs: 2 },
    { path: /one-bad\.jsonl$/, line: /^3$/ },
  ],
  ["a response that is too long", "ERR_DATA_INVALID", /./, { data: "long.jsonl", maxBadLines: 0 }, { line: /^1$/ }],
  ["a chat without a template", "ERR_MODEL_UNSUPPORTED", /template/, { data: "chats.jsonl" }],
  ["a folder that is not there", "ERR_FILE_WRITE_FAILED", /./, { out: "none/o.gguf" }],
  ["a folder as result", "ERR_FILE_WRITE_FAILED", /./, { out: "." }],
  ["a student that is not there", "ERR_MODEL_NOT_FOUND", /none\.gguf/, { student: "none.gguf" }],
  ["data as student", "ERR_MODEL_INVALID", /./, { student: "bad.jsonl" }],
  ["a full model that is not there", "ERR_MODEL_NOT_FOUND", /none\.gguf/, { full: "none.gguf" }],
  ["data as full model", "ERR_MODEL_INVALID", /./, { full: "bad.jsonl" }],
  ["a full model of other words", "ERR_PAIR_INCOMPATIBLE", /./, { full: "other-words.gguf" }],
  ["a student with a recurrent state", "ERR_MODEL_UNSUPPORTED", /recurrent state/, { student: "state.gguf" }],
  ["a full model with a recurrent state", "ERR_MODEL_UNSUPPORTED", /recurrent state/, { full: "state.gguf" }],
  ["data as translator", "ERR_TRANSLATOR_INVALID", /./, { translator: "bad.jsonl" }],
  ["nothing to train", "ERR_INVALID_ARGUMENT", /./, { freeze: ["*"] }, { parameter: /freeze$/ }],
  [
    "LoRA of nothing",
    "ERR_INVALID_ARGUMENT",
    /./,
    { lora: { rank: 4, targets: ["none*"] } },
    { parameter: /lora\.?[tT]argets$/ },
  ],
];

/** Options with the files in their folder. */
function located(folder: string, options: Partial<HealOptions>): Partial<HealOptions> {
  const names = ["data", "evalData", "student", "full", "translator"] as const;
  const files = names.flatMap((name) =>
    options[name] === undefined ? [] : [[name, join(folder, String(options[name]))]],
  );
  return { ...options, ...Object.fromEntries(files) };
}

for (const [title, code, message, { out, ...options }, details = {}] of refusals)
  test(`${title} is refused with ${code}`, async (t) => {
    const { model, data, folder } = t.context;
    const made = withTempDir(t);
    const before = hashOf(model);
    const usual = {
      ...short,
      full: model,
      student: model,
      data,
      out: join(made, String(out ?? "o.gguf")),
      checkpoint: join(made, "c"),
    };
    const { maxSteps: _, ...byEpochs } = usual;
    const chosen = options.epochs === undefined ? usual : byEpochs;
    const error = await refusal(t, code, heal({ ...chosen, ...located(folder, options) }));
    t.regex(error.message, message);
    for (const [name, pattern] of Object.entries(details))
      t.regex(String((error.details as Readonly<Record<string, unknown>>)[name]), pattern, name);
    t.false(existsSync(join(made, "o.gguf")));
    t.is(hashOf(model), before);
  });

test("a loss that is no number ends the training with a code", async (t) => {
  const { data, folder } = t.context;
  const made = withTempDir(t);
  const student = join(folder, "nan.gguf");
  const work = heal({ ...short, mode: "full", student, data, out: join(made, "o.gguf") });
  const error = await refusal(t, "ERR_TRAINING_DIVERGED", work);
  t.true(TrainingError.isInstance(error));
  t.false(existsSync(join(made, "o.gguf")));
});

for (const stage of ["loading", "training", "evaluating", "writing"] as const)
  test(`an abort while ${stage} rejects with the reason and leaves no model`, async (t) => {
    const { model, data } = t.context;
    const folder = withTempDir(t);
    const out = join(folder, "o.gguf");
    const controller = new AbortController();
    const reason = { why: stage };
    const onProgress = (news: HealProgress) => news.stage === stage && controller.abort(reason);
    const options = { ...short, full: model, student: model, data, evalData: data, out };
    // A training that is to be cut short has no end of its own, or it could end before the abort is heard.
    const steps = stage === "training" || stage === "loading" ? { maxSteps: 1_000_000 } : {};
    const work = heal({ ...options, ...steps, signal: controller.signal, onProgress });
    const outcome = await work.catch((error: unknown) => error);
    // A few steps of a tiny model are done, and it is written, before the abort is heard; the training has then succeeded.
    const ends = stage === "writing" || stage === "evaluating";
    if (ends && outcome !== reason) return t.true(existsSync(out));
    t.is(outcome, reason);
    for (const name of readdirSync(folder)) t.is(name, "o.gguf.checkpoint");
    // It goes on from wherever it was.
    if (stage === "training" || (stage === "loading" && readdirSync(folder).length > 0)) return;
    const resumed = await heal({ ...options, resume: true });
    t.is(resumed.steps, short.maxSteps);
  });

for (const name of ["onProgress", "onBadLine", "onEvaluation"] as const)
  test(`what ${name} throws stops a training`, async (t) => {
    const { model, folder } = t.context;
    const made = withTempDir(t);
    const data = join(folder, "one-bad.jsonl");
    const callback = () => {
      throw new TypeError("mine");
    };
    const options = {
      ...short,
      maxSteps: 100_000,
      mode: "full",
      student: model,
      data,
      evalData: data,
      out: join(made, "o.gguf"),
    } as const;
    await t.throwsAsync(heal({ ...options, [name]: callback }), { instanceOf: TypeError, message: "mine" });
    t.false(existsSync(options.out));
  });

test("a checkpoint that is damaged or of another training is refused", async (t) => {
  const { model, data } = t.context;
  const folder = withTempDir(t);
  const checkpoint = join(folder, "c");
  const endless = { ...short, maxSteps: 1_000_000 };
  const options = { ...endless, full: model, student: model, data, out: join(folder, "o.gguf"), checkpoint };
  const controller = new AbortController();
  const onProgress = ({ step }: HealProgress) => step >= 2 && controller.abort("enough");
  t.is(await heal({ ...options, signal: controller.signal, onProgress }).catch((error: unknown) => error), "enough");
  const resumed = { ...options, resume: true };
  for (const other of [{ learningRate: 2e-3 }, { seed: 2 }, { batchSize: 2 }, { freeze: ["token_embd.weight"] }]) {
    const error = await refusal(t, "ERR_CHECKPOINT_INVALID", heal({ ...resumed, ...other }), JSON.stringify(other));
    t.true(TrainingError.isInstance(error));
  }
  writeFileSync(checkpoint, "no checkpoint");
  await refusal(t, "ERR_CHECKPOINT_INVALID", heal(resumed));
  writeFileSync(checkpoint, "");
  await refusal(t, "ERR_CHECKPOINT_INVALID", heal(resumed));
  t.false(existsSync(options.out));
});

test("a worker that is terminated takes its training with it", async (t) => {
  const { model, data } = t.context;
  const folder = withTempDir(t);
  const options = { ...short, mode: "full", student: model, data, out: join(folder, "o.gguf"), maxSteps: 1_000_000 };
  const program = `
    import { parentPort } from "node:worker_threads";
    import { heal } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const onProgress = ({ stage }) => stage === "training" && parentPort.postMessage(stage);
    await heal({ ...${JSON.stringify(options)}, onProgress });`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  await once(worker, "message");
  await worker.terminate();
  t.false(existsSync(options.out));
  // The process goes on, and so does training.
  const { steps } = await heal({ ...short, mode: "full", student: model, data, out: join(withTempDir(t), "o.gguf") });
  t.is(steps, short.maxSteps);
});
