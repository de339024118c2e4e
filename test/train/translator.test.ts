/** A translator trained with its student: what the pair of both is worth, and which files are left. */

import { readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import {
  fitTranslator,
  type HealOptions,
  heal,
  inspectTranslator,
  type OverfillErrorCode,
  type Pair,
} from "../../lib/index.js";
import { answerAlone, openPair, quiet, refusal } from "../engine/fixtures.js";
import { readGguf } from "../support/gguf-reader.js";
import type { GgufTensor } from "../support/gguf-writer.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { writtenText } from "../support/written-text.js";
import { hashOf, type PromptAndResponse, short, somePairs, tinyShape, writeLines } from "./fixtures.js";

interface Files {
  readonly full: string;
  readonly student: string;
  /** Fitted to the two. */
  readonly translator: string;
  readonly data: string;
  readonly remove: () => Promise<void>;
}
const test = anyTest as TestFn<Files>;

const pairs = somePairs(4, 2);

/** Fixtures make the row of the end token, the last one, small; it is to be learned where embeddings are frozen, too. */
const endLikeOthers = (tensors: GgufTensor[]) =>
  tensors.map((tensor) => {
    if (tensor.name !== "token_embd.weight") return tensor;
    const { nEmbd } = tinyShape;
    const values = Float32Array.from(tensor.values);
    return { ...tensor, values: values.copyWithin(values.length - nEmbd, 5 * nEmbd, 6 * nEmbd) };
  });

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  const model = async (name: string, shape: TinyModelOptions) =>
    (await writeTinyModel(join(folder, `${name}.gguf`), { ...tinyShape, ...shape, name })).path;
  const full = await model("full", { nKvHeads: 4 });
  const student = await model("student", { seed: 7, tensorEdit: endLikeOthers });
  const text = join(folder, "text.txt");
  writeLines(text, [await writtenText(student, { answers: 8, tokensPerAnswer: 100 })]);
  const translator = join(folder, "fitted.gguf");
  const models = { prefill: { model: full }, decode: { model: student } };
  await fitTranslator({ ...quiet, ...models, text, out: translator, chunkSize: 64, weightType: "f32" });
  t.context = { full, student, translator, data: writeLines(join(folder, "train.jsonl"), pairs), remove };
});
test.after.always((t) => t.context.remove?.());

interface Places {
  readonly folder: string;
  readonly options: HealOptions & { readonly translatorOut: string; readonly out: string };
}

/** A training of both, by heart. */
function trainingOf(t: ExecutionContext<Files>): Places {
  const { remove: _, ...files } = t.context;
  const folder = withTempDir(t);
  const places = { out: join(folder, "healed.gguf"), translatorOut: join(folder, "healed-maps.gguf") };
  const steps = { maxSteps: 60, learningRate: 3e-3 };
  return { folder, options: { ...short, ...files, ...places, ...steps, evalData: files.data, trainTranslator: true } };
}

/** What the pair thinks of the responses from their second token on, in nats a token: what a training evaluates. */
async function lossOf(pair: Pair, model: string, records: readonly PromptAndResponse[]): Promise<number> {
  const end = (await readGguf(model)).metadata.get("tokenizer.ggml.eos_token_id");
  let [sum, count] = [0, 0];
  for (const { prompt, response } of records) {
    // The response is prescribed, and one token more, in whose place the response might end.
    const grammar = `root ::= "${response}" [a-z]`;
    const { tokens, logProbs } = await answerAlone(pair, prompt, {
      ...{ temperature: 0, grammar, logProbs: 100, maxTokens: response.length + 1 },
    });
    if (tokens.length !== response.length + 1) throw new Error(`${tokens.length} tokens of ${response}`);
    for (const { logProb } of logProbs.slice(1, -1)) sum -= logProb;
    const ends = logProbs.at(-1)?.top.find(({ token }) => end && "value" in end && token === Number(end.value));
    if (ends === undefined) throw new Error("the end is none of the likeliest tokens");
    sum -= ends.logProb;
    count += response.length;
  }
  return sum / count;
}

/** As in training: rounded nowhere. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

for (const [title, parts] of [
  ["with the student", {}],
  ["alone", { freeze: ["*"], maxSteps: 200, learningRate: 1e-2 }],
  ["beside low-rank products", { lora: { rank: 4 }, maxSteps: 120, learningRate: 1e-2 }],
] as const)
  test(`maps are trained ${title}, and the pair has the loss of the last evaluation`, async (t) => {
    const { options } = trainingOf(t);
    const { full } = t.context;
    const result = await heal({ ...options, ...parts });
    const [first, last] = [result.evaluations.at(0)?.loss ?? 0, result.evaluations.at(-1)?.loss ?? 9];
    t.true(last < first - 0.5, `${first} to ${last}`);
    t.deepEqual(result.translator, {
      path: options.translatorOut,
      sizeBytes: statSync(options.translatorOut).size,
    });
    // By the model's metadata, and by name.
    for (const named of [{}, { translator: options.translatorOut }]) {
      const pair = await openPair(t, { prefill: full, decode: options.out, ...exact, ...named });
      t.is(pair.info.plan.kind, "translate");
      const loss = await lossOf(pair, options.out, pairs);
      t.true(Math.abs(loss - last) < 1e-3, `${title}: ${loss}, ${last}`);
    }
  });

test("the written translator is for the healed model, in the type that is asked for", async (t) => {
  const { options, folder } = trainingOf(t);
  const { full, student, translator } = t.context;
  const before = [full, student, translator].map(hashOf);
  await heal({ ...options, maxSteps: 2, translatorType: "f16" });
  t.deepEqual([full, student, translator].map(hashOf), before);
  const fitted = await inspectTranslator(translator);
  const trained = await inspectTranslator(options.translatorOut);
  if (!fitted || !trained) return t.fail("no translator");
  t.is(trained.weightType, "f16");
  t.is(trained.fitTokens, fitted.fitTokens);
  t.deepEqual(trained.source, fitted.source);
  t.not(trained.target.fingerprint, fitted.target.fingerprint);
  t.is(trained.loss, undefined);
  t.true(trained.layers.every(({ errorK, errorV }) => errorK === undefined && errorV === undefined));
  // The fitted one is for the model as it was.
  await refusal(
    t,
    "ERR_TRANSLATOR_MISMATCH",
    openPair(t, { prefill: full, decode: options.out, translator: t.context.translator }),
  );
  renameSync(options.translatorOut, join(folder, "moved.gguf"));
  await refusal(t, "ERR_MODEL_NOT_FOUND", openPair(t, { prefill: full, decode: options.out }));
  await openPair(t, { prefill: full, decode: options.out, translator: join(folder, "moved.gguf") });
});

test("an interrupted training of maps that is resumed gives the files of an uninterrupted one", async (t) => {
  const usual = { maxSteps: 10, checkpointInterval: 3, randomCutoff: 0.5 };
  const [whole, parts] = [trainingOf(t).options, trainingOf(t).options];
  await heal({ ...whole, ...usual });
  const controller = new AbortController();
  const stopped = heal({
    ...{ ...parts, ...usual, signal: controller.signal },
    onProgress: ({ stage, step }) => stage === "training" && step >= 4 && controller.abort("enough"),
  });
  t.is(await stopped.catch((error: unknown) => error), "enough");
  const resumed = await heal({ ...parts, ...usual, resume: true });
  t.true((resumed.firstStep ?? 0) >= 3);
  t.is(hashOf(parts.out), hashOf(whole.out));
  t.is(hashOf(parts.translatorOut), hashOf(whole.translatorOut));
});

test("a translator is written for the trained student without being trained", async (t) => {
  const { options } = trainingOf(t);
  const { evaluations } = await heal({ ...options, trainTranslator: false });
  const pair = await openPair(t, { prefill: t.context.full, decode: options.out, ...exact });
  t.true(Math.abs((await lossOf(pair, options.out, pairs)) - (evaluations.at(-1)?.loss ?? 9)) < 1e-3);
});

/** Without the translator: nothing is mapped where the student is the full model itself. */
const unmapped = ({ full, translator: _, ...options }: Files & HealOptions) => ({ ...options, full, student: full });

const refusals: readonly (readonly [
  title: string,
  code: OverfillErrorCode,
  message: RegExp,
  options: (options: Files & HealOptions) => HealOptions,
])[] = [
  ["a student that takes the cache as it is", "ERR_INVALID_ARGUMENT", /^options\.trainTranslator: /, unmapped],
  [
    "a translator to write where there is none",
    "ERR_INVALID_ARGUMENT",
    /^options\.translatorOut: /,
    (options) => ({ ...unmapped(options), trainTranslator: false }),
  ],
  [
    "a folder that is not there",
    "ERR_FILE_WRITE_FAILED",
    /none\.gguf/,
    (options) => ({ ...options, translatorOut: join(options.translator, "none.gguf") }),
  ],
];

for (const [title, code, message, wrong] of refusals)
  test(`${title} is refused with ${code}`, async (t) => {
    const { options, folder } = trainingOf(t);
    const { remove: _, ...usual } = { ...t.context, ...options };
    const error = await refusal(t, code, heal(wrong(usual as Files & HealOptions)));
    t.regex(error.message, message);
    t.deepEqual(readdirSync(folder), []);
  });
