/** LoRA adapters of a pair's models: what they write, what is in memory, and what is refused. */

import { execFile } from "node:child_process";
import { copyFile, link, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import {
  createModel,
  inspect,
  type LoadPairOptions,
  loadPair,
  type OnePairOptions,
  type OverfillErrorCode,
} from "../../lib/index.js";
import { f32, text, u32, u32Array } from "../support/gguf-format.js";
import { withTempDir } from "../support/temp-dir.js";
import { merging, type TinyAdapterOptions, writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { type Answer, answerAlone, apart, quiet, refusal, someTokens, traced } from "./fixtures.js";

const prompt = someTokens(60);
/** Caches that round nothing. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

async function files(t: ExecutionContext, options: TinyAdapterOptions = {}) {
  const dir = withTempDir(t);
  const { path: model } = await writeTinyModel(join(dir, "model.gguf"), options.model);
  const adapter = join(dir, "adapter.gguf");
  await writeTinyAdapter(adapter, options);
  return { dir, model, adapter, at: (name: string) => join(dir, name) };
}

async function answerOf(options: LoadPairOptions): Promise<Answer> {
  await using pair = await loadPair({ ...quiet, ...exact, ...options });
  return await answerAlone(pair, prompt, traced(32, 8));
}

test("a base that reads and the base with an adapter that writes answer as the merged model does that writes", async (t) => {
  const { model, adapter, at } = await files(t);
  const merged = await writeTinyModel(at("merged.gguf"), { tensorEdit: await merging({}, 0.5) });
  const adapted = await answerOf({
    prefill: { model },
    decode: { model, adapters: [{ file: adapter, scale: 0.5 }] },
    handover: "share",
  });
  const expected = await answerOf({ prefill: { model }, decode: { model: merged.path } });
  t.true(apart(expected, adapted) < 1e-3, String(apart(expected, adapted)));
  t.deepEqual(adapted.tokens, expected.tokens);
  const base = await answerOf({ prefill: { model } });
  t.deepEqual(adapted.logProbs[0], base.logProbs[0], "the first token is the prefill model's own");
  t.notDeepEqual(adapted.tokens, base.tokens);
});

test("the prefill model may have adapters, and a pair of one writes with them too", async (t) => {
  const { model, adapter, at } = await files(t);
  const merged = await writeTinyModel(at("merged.gguf"), { tensorEdit: await merging({}) });
  const source = { model, adapters: [{ file: pathToFileURL(adapter) }] };
  const alone = await answerOf({ prefill: source });
  t.true(apart(await answerOf({ prefill: { model: merged.path } }), alone) < 1e-3);
  t.deepEqual((await answerOf({ prefill: source, decode: source })).logProbs, alone.logProbs);
  const read = await answerOf({ prefill: source, decode: { model } });
  t.true(apart(await answerOf({ prefill: { model: merged.path }, decode: { model } }), read) < 1e-3);
});

test("the pair tells its adapters, and inspect tells the same without loading weights", async (t) => {
  const { model, adapter, at } = await files(t, { rank: 8, alpha: 16 });
  const linked = at("linked.gguf");
  await link(model, linked);
  const sources = { prefill: { model }, decode: { model: linked, adapters: [{ file: adapter, scale: -0.1 }] } };
  const inspection = await inspect(sources);
  t.deepEqual(inspection.prefill.adapters, []);
  t.deepEqual(inspection.decode.adapters, [{ path: adapter, scale: -0.1, rank: 8, alpha: 16 }]);
  t.like(inspection.plan, { kind: "share", oneModel: false, oneFile: true, reasons: [], notes: [] });
  await using pair = await loadPair({ ...quiet, ...sources });
  t.deepEqual(pair.info.decode, inspection.decode);
  t.deepEqual(pair.info.plan, inspection.plan);
});

test("one file is one set of weights, whatever differs; a copy is another", async (t) => {
  const { model, adapter, at } = await files(t);
  await copyFile(model, at("copy.gguf"));
  const planOf = async (options: Omit<LoadPairOptions, "prefill">) => {
    await using pair = await loadPair({ ...quiet, prefill: { model }, ...options });
    return pair.info.plan;
  };
  const adapters = [{ file: adapter }];
  t.like(await planOf({}), { oneModel: true, oneFile: true });
  t.like(await planOf({ decode: { model, adapters } }), { kind: "share", oneModel: false, oneFile: true });
  t.like(await planOf({ decode: { model, adapters: [] } }), { oneModel: true, oneFile: true });
  const translated = { kind: "translate", oneModel: false, oneFile: true };
  t.like(await planOf({ decode: { model }, handover: "translate" }), translated);
  t.like(await planOf({ decode: { model, cacheTypeK: "q8_0" } }), translated);
  t.like(await planOf({ decode: { model, adapters, cacheTypeV: "f32" } }), translated);
  t.like(await planOf({ decode: { model: at("copy.gguf") } }), { kind: "share", oneModel: false, oneFile: false });
});

test("a base and its adapter take the memory of one set of weights", async (t) => {
  const dir = withTempDir(t);
  const [model, copy, adapter] = ["model.gguf", "copy.gguf", "adapter.gguf"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  const tokenizer = (await writeTinyModel(join(dir, "tiny.gguf"))).path;
  const shape = { hiddenSize: 1024, feedForwardSize: 4096, layers: 2, heads: 8, kvHeads: 2 };
  const { sizeBytes } = await createModel({ out: model, tokenizer, ...shape });
  t.true(sizeBytes > 100e6);
  await copyFile(model, copy);
  await writeTinyAdapter(adapter, {
    model: { nEmbd: 1024, nFf: 4096, nHeads: 8, nKvHeads: 2, headSize: 128, nLayers: 1 },
    changes: /attn_q/,
  });
  const memoryOf = async (decode: LoadPairOptions["decode"]) => {
    const child = fileURLToPath(new URL("./weights-child.mjs", import.meta.url));
    const args = [child, JSON.stringify({ prefill: { model }, ...(decode && { decode }), contextSize: 256 })];
    return Number((await promisify(execFile)(process.execPath, args)).stdout);
  };
  const one = await memoryOf(undefined);
  const adapted = await memoryOf({ model, adapters: [{ file: adapter }] });
  const translated = await memoryOf({ model, cacheTypeK: "q8_0" });
  const two = await memoryOf({ model: copy });
  const shown = [one, adapted, translated, two].map((bytes) => `${Math.round(bytes / 1e6)} MB`).join(", ");
  t.log(shown);
  t.true(adapted - one < 0.3 * sizeBytes, shown);
  t.true(translated - one < 0.3 * sizeBytes, shown);
  t.true(two - one > 0.9 * sizeBytes, shown);
});

const bad: readonly (readonly [title: string, code: OverfillErrorCode, said: RegExp, options: TinyAdapterOptions])[] = [
  [
    "of another architecture",
    "ERR_ADAPTER_MISMATCH",
    /its architecture is qwen2/,
    {
      metadata: { "general.architecture": text("qwen2") },
    },
  ],
  [
    "of a wider model",
    "ERR_ADAPTER_MISMATCH",
    /factors of blk\.0\.attn_k\.weight are 96 x 4 and 4 x 64/,
    {
      model: { nEmbd: 96 },
    },
  ],
  [
    "of a deeper model",
    "ERR_ADAPTER_MISMATCH",
    /blk\.2\.\w+\.weight, which the model does not have/,
    {
      model: { nLayers: 3 },
    },
  ],
  [
    "with an alpha of another type",
    "ERR_MODEL_INVALID",
    /adapter\.lora\.alpha as another type/,
    {
      metadata: { "adapter.lora.alpha": u32(8) },
    },
  ],
  [
    "with an infinite alpha",
    "ERR_MODEL_INVALID",
    /adapter\.lora\.alpha = inf/,
    {
      metadata: { "adapter.lora.alpha": f32(Number.POSITIVE_INFINITY) },
    },
  ],
  ["without tensors", "ERR_MODEL_INVALID", /has no tensors/, { tensorEdit: () => [] }],
  [
    "with one factor only",
    "ERR_MODEL_INVALID",
    /has no blk\.0\.attn_q\.weight\.lora_b/,
    {
      tensorEdit: (tensors) => tensors.filter(({ name }) => !name.endsWith("0.attn_q.weight.lora_b")),
    },
  ],
  [
    "with a control vector's tensor",
    "ERR_MODEL_INVALID",
    /direction\.1, which is no part of a LoRA/,
    {
      tensorEdit: (tensors) => tensors.map((tensor, i) => (i === 0 ? { ...tensor, name: "direction.1" } : tensor)),
    },
  ],
  ["of another kind", "ERR_MODEL_UNSUPPORTED", /of the kind ia3/, { metadata: { "adapter.type": text("ia3") } }],
  [
    "that is activated by tokens",
    "ERR_MODEL_UNSUPPORTED",
    /aLoRA/,
    {
      metadata: { "adapter.alora.invocation_tokens": u32Array([5, 6]) },
    },
  ],
  [
    "of the embedding that is the output too",
    "ERR_MODEL_UNSUPPORTED",
    /token_embd\.weight, which this model also/,
    {
      changes: /token_embd/,
      tensorEdit: (tensors) =>
        // The embedding's A lies on its side.
        tensors.map((tensor) => {
          const dims = tensor.name.endsWith("a") ? [4, 292] : [4, 64];
          return { ...tensor, dims, values: new Float32Array(4 * (dims[1] ?? 0)) };
        }),
    },
  ],
];

for (const [title, code, said, options] of bad) {
  test(`an adapter ${title} is refused on either side, and by inspect`, async (t) => {
    const { dir, adapter } = await files(t, options);
    const { path: model } = await writeTinyModel(join(dir, "base.gguf"));
    const adapters = [{ file: adapter }];
    const pairs = [{ prefill: { model, adapters } }, { prefill: { model }, decode: { model, adapters } }];
    for (const sources of pairs)
      for (const attempt of [() => loadPair({ ...quiet, ...sources }), () => inspect(sources)]) {
        const { message, details } = await refusal(t, code, attempt);
        t.regex(message, said);
        t.is((details as { path?: string }).path, adapter);
      }
  });
}

test("a model, a text, a cut file and a missing one are no adapters", async (t) => {
  const { model, adapter, at } = await files(t);
  const { bytes } = await writeTinyAdapter(adapter);
  await writeFile(at("text"), "not a model");
  await writeFile(at("cut"), bytes.subarray(0, bytes.length - 64));
  const refused = async (code: OverfillErrorCode, file: string) => {
    const { details } = await refusal(t, code, loadPair({ ...quiet, prefill: { model, adapters: [{ file }] } }), file);
    t.is((details as { path?: string }).path, file);
  };
  await refused("ERR_MODEL_UNSUPPORTED", model);
  await refused("ERR_MODEL_INVALID", at("text"));
  await refused("ERR_MODEL_INVALID", at("cut"));
  await refused("ERR_MODEL_NOT_FOUND", at("none"));
  await refused("ERR_MODEL_NOT_A_FILE", at("."));
});

test("options of adapters that are wrong are refused by name", async (t) => {
  const { model, adapter } = await files(t);
  const wrong: readonly (readonly [adapters: unknown, parameter: string])[] = [
    ["adapter.gguf", "adapters"],
    [[adapter], "adapters.0"],
    [[{}], "adapters.0.file"],
    [[{ file: "" }], "adapters.0.file"],
    [[{ file: adapter }, { file: adapter, scale: Number.NaN }], "adapters.1.scale"],
    [[{ file: adapter, scale: Number.POSITIVE_INFINITY }], "adapters.0.scale"],
    [[{ file: adapter, scale: 1001 }], "adapters.0.scale"],
    [[{ file: adapter, scale: "1" }], "adapters.0.scale"],
    [[{ file: adapter, factor: 1 }], "adapters.0.factor"],
    [Array.from({ length: 65 }, () => ({ file: adapter })), "adapters"],
    [[{ file: new URL("https://example.org/a.gguf") }], "adapters.0.file"],
  ];
  for (const [adapters, parameter] of wrong)
    for (const side of ["prefill", "decode"]) {
      const options = { prefill: { model }, [side]: { model, adapters } } as unknown as OnePairOptions;
      for (const attempt of [() => loadPair({ ...quiet, ...options }), () => inspect(options)]) {
        const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", attempt);
        t.is(details.parameter, `options.${side}.${parameter}`);
      }
    }
  const twice = { model, adapters: [{ file: adapter }, { file: adapter, scale: 2 }] };
  const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", loadPair({ ...quiet, prefill: twice }));
  t.like(details, { parameter: "prefill.adapters", path: adapter });
});
