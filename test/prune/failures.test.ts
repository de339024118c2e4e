/** What pruning refuses, how it is stopped, and that neither leaves anything behind. */

import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import anyTest, { type TestFn } from "ava";
import {
  inspect,
  type MeasureImportanceOptions,
  measureImportance,
  type OverfillErrorCode,
  PruneError,
  type PruneOptions,
  type PruneProgress,
  prunableArchitectures,
} from "../../lib/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { text as textValue, u32 } from "../support/gguf-format.js";
import { type GgufTensor, writeGguf } from "../support/gguf-writer.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { tinyModel, writeTinyModel } from "../support/tiny-model.js";
import { fullShape, hashOf, pruneExactly, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{
  readonly folder: string;
  readonly model: string;
  readonly text: string;
  readonly remove: () => Promise<void>;
}>;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  t.context = { folder, ...(await writeFull(folder)), remove };
  writeFileSync(join(folder, "empty.txt"), "");
  writeFileSync(join(folder, "short.txt"), "bcd");
});
test.after.always((t) => t.context.remove?.());

test("progress comes in stages, each from its beginning towards its end", async (t) => {
  const { model, text } = t.context;
  const seen: PruneProgress[] = [];
  const onProgress = (news: PruneProgress) => seen.push(news);
  await pruneExactly({ model, text, hidden: 0.5, out: join(withTempDir(t), "p.gguf"), onProgress });
  const stages = seen.map(({ stage }) => stage);
  t.deepEqual([...new Set(stages)].sort(), ["calibrating", "loading", "measuring", "writing"]);
  t.is(stages[0], "loading");
  t.true(stages.indexOf("calibrating") < stages.indexOf("writing"));
  t.true(stages.lastIndexOf("calibrating") < stages.indexOf("writing"));
  t.true(stages.lastIndexOf("writing") < stages.lastIndexOf("measuring"));
  for (const { fraction } of seen) t.true(fraction >= 0 && fraction <= 1);
  for (const stage of ["loading", "calibrating", "writing", "measuring"]) {
    const fractions = seen.filter((news) => news.stage === stage).map(({ fraction }) => fraction);
    t.deepEqual(
      fractions,
      fractions.toSorted((a, b) => a - b),
      stage,
    );
  }
  const calibrating = seen.filter(({ stage }) => stage === "calibrating");
  t.true((calibrating.at(-1)?.tokens ?? 0) > 2500);
});

for (const stage of ["loading", "calibrating", "writing", "measuring"] as const)
  test(`an abort while ${stage} rejects with the reason, leaves no file and the parent as it was`, async (t) => {
    const { model, text } = t.context;
    const folder = withTempDir(t);
    const before = hashOf(model);
    const controller = new AbortController();
    const reason = { why: stage };
    const onProgress = (news: PruneProgress) => news.stage === stage && controller.abort(reason);
    const options = { model, text, hidden: 0.5, ffn: 0.5, out: join(folder, "p.gguf") };
    const work = pruneExactly({ ...options, signal: controller.signal, onProgress });
    t.is(await work.catch((error: unknown) => error), reason);
    t.deepEqual(readdirSync(folder), []);
    t.is(hashOf(model), before);
  });

for (const stage of ["loading", "calibrating"] as const)
  test(`an abort of a measurement while ${stage} rejects with the reason and leaves no file`, async (t) => {
    const { model, text } = t.context;
    const folder = withTempDir(t);
    const controller = new AbortController();
    const onProgress = (news: PruneProgress) => news.stage === stage && controller.abort(stage);
    const options = { ...quiet, window: 64, model, text, out: join(folder, "i.gguf") };
    const work = measureImportance({ ...options, signal: controller.signal, onProgress });
    t.is(await work.catch((error: unknown) => error), stage);
    t.deepEqual(readdirSync(folder), []);
  });

test("a callback's exception stops a prune", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const onProgress = () => {
    throw new TypeError("mine");
  };
  const work = pruneExactly({ model, text, hidden: 0.5, out: join(folder, "p.gguf"), onProgress });
  await t.throwsAsync(work, { instanceOf: TypeError, message: "mine" });
  t.deepEqual(readdirSync(folder), []);
});

type Refusal = readonly [
  title: string,
  code: OverfillErrorCode,
  message: RegExp,
  options: { readonly [Name in keyof PruneOptions]?: PruneOptions[Name] | undefined },
  parameter?: RegExp,
];

const refusals: readonly Refusal[] = [
  [
    "nothing left of the width",
    "ERR_INVALID_ARGUMENT",
    /nothing would be left/,
    { hidden: 0.999 },
    /^options\.hidden$/,
  ],
  ["nothing left of the FFN", "ERR_INVALID_ARGUMENT", /nothing would be left/, { ffn: 0.999 }, /^options\.ffn$/],
  ["no layer left", "ERR_INVALID_ARGUMENT", /nothing would be left/, { layers: 0.9 }, /^options\.layers$/],
  ["more channels than there are", "ERR_INVALID_ARGUMENT", /only 128/, { hidden: 129 }, /^options\.hidden$/],
  ["more heads than there are", "ERR_INVALID_ARGUMENT", /only 8/, { heads: 9 }, /^options\.heads$/],
  ["more KV heads than there are", "ERR_INVALID_ARGUMENT", /only 2/, { kvHeads: 3 }, /^options\.kvHeads$/],
  ["more layers than there are", "ERR_INVALID_ARGUMENT", /only 4/, { layers: 5 }, /^options\.layers$/],
  ["a layer that is not there", "ERR_INVALID_ARGUMENT", /no layer 4/, { layers: [0, 4] }, /^options\.layers$/],
  [
    "a target that is too small",
    "ERR_INVALID_ARGUMENT",
    /smallest model/,
    { hidden: undefined, targetSize: "1K" },
    /^options\.targetSize$/,
  ],
  [
    "a target of too few bytes",
    "ERR_INVALID_ARGUMENT",
    /smallest model/,
    { hidden: undefined, targetBytes: "1KB" },
    /^options\.targetBytes$/,
  ],
  ["a window longer than trained", "ERR_INVALID_ARGUMENT", /512/, { window: 513 }, /^options\.window$/],
  [
    "a type that widths such as 71 do not fit",
    "ERR_INVALID_ARGUMENT",
    /./,
    { quantize: "q8_0", multiple: 1, hidden: 71 },
    /^options\.quantize$/,
  ],
  ["a text that is not there", "ERR_FILE_READ_FAILED", /none\.txt/, { text: "none.txt" }],
  ["a folder as text", "ERR_FILE_READ_FAILED", /./, { text: import.meta.dirname }],
  ["a folder that is not there", "ERR_FILE_WRITE_FAILED", /./, { out: "/none/at/all/p.gguf" }],
  ["a folder as result", "ERR_FILE_WRITE_FAILED", /./, { out: import.meta.dirname }],
  [
    "a folder for importance that is not there",
    "ERR_FILE_WRITE_FAILED",
    /./,
    { saveImportance: "/none/at/all/i.gguf" },
  ],
  ["a model that is not there", "ERR_MODEL_NOT_FOUND", /none\.gguf/, { model: "none.gguf" }],
  ["a folder as model", "ERR_MODEL_NOT_A_FILE", /./, { model: import.meta.dirname }],
  ["a text as model", "ERR_MODEL_INVALID", /./, { model: import.meta.filename }],
];

for (const [title, code, message, options, parameter] of refusals)
  test(`${title} is refused with ${code}`, async (t) => {
    const { model, text } = t.context;
    const folder = withTempDir(t);
    const before = hashOf(model);
    const usual = { model, text, hidden: 0.5, out: join(folder, "p.gguf") };
    const asked = Object.fromEntries(
      Object.entries({ ...usual, ...options }).filter(([, value]) => value !== undefined),
    );
    const error = await refusal(t, code, pruneExactly(asked as unknown as PruneOptions));
    t.regex(error.message, message);
    if (parameter) t.regex(String((error.details as { parameter?: string }).parameter), parameter);
    t.deepEqual(readdirSync(folder), []);
    t.is(hashOf(model), before);
  });

for (const name of ["empty.txt", "short.txt"])
  test(`a text shorter than one window is refused: ${name}`, async (t) => {
    const { model, folder } = t.context;
    const made = withTempDir(t);
    const text = join(folder, name);
    const options = { model, text, hidden: 0.5, out: join(made, "p.gguf") };
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", pruneExactly(options));
    t.is(error.details.parameter, "options.text");
    t.regex(error.message, /window|empty/);
    const measured: MeasureImportanceOptions = { ...quiet, window: 64, model, text, out: join(made, "i.gguf") };
    await refusal(t, "ERR_INVALID_ARGUMENT", measureImportance(measured));
    t.deepEqual(readdirSync(made), []);
  });

test("a pruned model is pruned once more where that is asked for, by what is measured on it", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const [once, twice] = [join(folder, "p.gguf"), join(folder, "q.gguf")];
  const importance = join(folder, "i.gguf");
  const first = await pruneExactly({ model, text, hidden: 0.25, out: once, saveImportance: importance });
  // What was measured on its parent is another model's.
  const foreign = pruneExactly({ model: once, again: true, importance, hidden: 0.25, out: twice });
  await refusal(t, "ERR_IMPORTANCE_MISMATCH", foreign);
  const second = await pruneExactly({ model: once, again: true, text, hidden: 0.25, ffn: 0.25, out: twice });
  t.is(second.before.hiddenSize, first.after.hiddenSize);
  t.true(second.after.hiddenSize < first.after.hiddenSize);
  const { plan } = await inspect({ prefill: { model }, decode: { model: twice } });
  t.is(plan.kind, "share");
});

test("a model that lacks layers is not pruned once more", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "p.gguf");
  await pruneExactly({ model, layers: 1, out });
  const again = pruneExactly({ model: out, again: true, text, hidden: 0.25, out: join(folder, "q.gguf") });
  t.regex((await refusal(t, "ERR_ALREADY_PRUNED", again)).message, /lacks layers/);
  t.deepEqual(readdirSync(folder), ["p.gguf"]);
});

test("a model is not pruned twice, nor onto itself", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "p.gguf");
  await pruneExactly({ model, text, hidden: 0.25, out });
  const before = hashOf(out);
  const twice = pruneExactly({ model: out, text, hidden: 0.25, out: join(folder, "q.gguf") });
  const error = await refusal(t, "ERR_ALREADY_PRUNED", twice);
  t.true(PruneError.isInstance(error));
  t.deepEqual(readdirSync(folder), ["p.gguf"]);
  t.is(hashOf(out), before);
  const same = await refusal(t, "ERR_INVALID_ARGUMENT", pruneExactly({ model, text, hidden: 0.25, out: model }));
  t.is(same.details.parameter, "options.out");
});

test("an architecture that cannot be pruned is named", async (t) => {
  const { text } = t.context;
  const folder = withTempDir(t);
  t.false(prunableArchitectures().some(({ name }) => name === "starcoder2"));
  const { file } = await tinyModel(fullShape);
  const metadata = file.metadata.map(
    ([key, value]) =>
      [
        key.replace(/^llama\./, "starcoder2.").replace("layer_norm_rms_", "layer_norm_"),
        key === "general.architecture" ? textValue("starcoder2") : value,
      ] as const,
  );
  const model = join(folder, "starcoder2.gguf");
  await writeGguf(model, { ...file, metadata });
  const error = await refusal(
    t,
    "ERR_PRUNE_UNSUPPORTED",
    pruneExactly({ model, text, hidden: 0.5, out: join(folder, "p.gguf") }),
  );
  t.regex(error.message, /starcoder2/);
  t.is(error.details.architecture, "starcoder2");
  t.deepEqual(readdirSync(folder), ["starcoder2.gguf"]);
});

test("a model with another memory than a KV cache is not pruned, and its memory is named", async (t) => {
  const { text } = t.context;
  const folder = withTempDir(t);
  const model = join(folder, "mamba.gguf");
  await writeTinyModel(model, { architecture: "mamba" });
  const out = join(folder, "p.gguf");
  for (const work of [pruneExactly({ model, text, hidden: 0.5, out }), measureImportance({ model, text, out })]) {
    const error = await refusal(t, "ERR_PRUNE_UNSUPPORTED", work);
    t.regex(error.message, /mamba.*recurrent state/);
  }
  t.deepEqual(readdirSync(folder), ["mamba.gguf"]);
});

test("a mixture of experts cannot be pruned", async (t) => {
  const { text } = t.context;
  const folder = withTempDir(t);
  const nExperts = 2;
  const expert = (tensor: GgufTensor): GgufTensor[] => {
    const part = /^(blk\.\d+\.)ffn_(gate|up|down)\.weight$/.exec(tensor.name);
    if (!part) return [tensor];
    const values = new Float32Array(tensor.values.length * nExperts);
    for (let i = 0; i < nExperts; i++) values.set(tensor.values, i * tensor.values.length);
    const experts = {
      ...tensor,
      name: `${part[1]}ffn_${part[2]}_exps.weight`,
      dims: [...tensor.dims, nExperts],
      values,
    };
    if (part[2] !== "gate") return [experts];
    const router = new Float32Array(fullShape.nEmbd * nExperts).fill(0.01);
    return [
      experts,
      { name: `${part[1]}ffn_gate_inp.weight`, type: "f32", dims: [fullShape.nEmbd, nExperts], values: router },
    ];
  };
  const { path: model } = await writeTinyModel(join(folder, "experts.gguf"), {
    ...fullShape,
    metadata: { "llama.expert_count": u32(nExperts), "llama.expert_used_count": u32(1) },
    tensorEdit: (tensors) => tensors.flatMap(expert),
  });
  const error = await refusal(
    t,
    "ERR_PRUNE_UNSUPPORTED",
    pruneExactly({ model, text, hidden: 0.5, out: join(folder, "p.gguf") }),
  );
  t.regex(error.message, /expert/);
  t.deepEqual(readdirSync(folder), ["experts.gguf"]);
});

test("the architectures that can be pruned are listed, each once", (t) => {
  const names = prunableArchitectures().map(({ name }) => name);
  t.true(names.includes("llama"));
  t.is(new Set(names).size, names.length);
});

test("a worker that is terminated takes its prune with it", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  // Far more text than can be read before the end.
  const long = join(folder, "long.txt");
  writeFileSync(long, readFileSync(text, "utf8").repeat(200));
  const options = { ...quiet, window: 64, model, text: long, hidden: 0.5, out: join(folder, "p.gguf") };
  const program = `
    import { parentPort } from "node:worker_threads";
    import { prune } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const onProgress = ({ stage }) => stage === "calibrating" && parentPort.postMessage(stage);
    await prune({ ...${JSON.stringify(options)}, onProgress });`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  await once(worker, "message");
  await worker.terminate();
  t.deepEqual(readdirSync(folder), ["long.txt"]);
  // The process goes on, and so does pruning.
  const { after } = await pruneExactly({ model, text, hidden: 0.5, out: options.out });
  t.is(after.hiddenSize, 64);
});
