import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { runCommand } from "./command-process.js";

const test = anyTest as TestFn<{ folder: string; remove: () => Promise<void> }>;
const prefill = String(demoPair.prefill.model);
const decode = String(demoPair.decode.model);

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  t.context = { folder, remove };
  await writeTinyModel(join(folder, "deep.gguf"), { nLayers: 4 });
  await writeTinyModel(join(folder, "shallow.gguf"), { nLayers: 2 });
  await writeTinyModel(join(folder, "other-words.gguf"), {
    nLayers: 4,
    vocabEdit: (tokens) => tokens.map((token, id) => (id === 280 ? "edited" : token)),
  });
});

test.after.always((t) => t.context.remove?.());

test.serial("the demo pair shares", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["inspect", prefill, decode]);
  t.is(exitCode, 0);
  t.is(stderr, "");
  // Sizes that llama.cpp has no name for are counted.
  t.regex(stdout, /│ description +│ llama 0\.92M F16 +│ llama 0\.34M F16 +│/);
  t.regex(stdout, /│ hidden size +│ 128 +│ 64 +│/);
  t.regex(stdout, /│ KV cache +│ 2,048 bytes per token +│ 2,048 bytes per token +│/);
  t.regex(stdout, /^Pair: share, /m);
  t.regex(stdout, /^Memory at a context of 512 tokens/m);
  t.regex(stdout, /│ KV cache, shared │ 1\.00 MiB │/);
});

test.serial("one file is described alone", async (t) => {
  const { stdout } = await runCommand(["inspect", prefill]);
  t.regex(stdout, /│ parameters +│ 921,728 +│/);
  t.notRegex(stdout, /Pair:/);
});

test.serial("a recurrent state is told beside the cache, and counts in the memory of a session", async (t) => {
  const file = (name: string) => join(t.context.folder, name);
  await writeTinyModel(file("state.gguf"), { architecture: "mamba" });
  await writeTinyModel(file("same-state.gguf"), { architecture: "mamba" });
  await writeTinyModel(file("larger-state.gguf"), { architecture: "mamba", stateSize: 32 });
  // A session has a second one to go back to; 2 layers of 128 channels, each with 3 values of a convolution and 16 of a
  // state, in f32.
  const bytes = 2 * 2 * 4 * 128 * (3 + 16);

  const one = await runCommand(["inspect", file("state.gguf")]);
  t.regex(one.stdout, /│ memory +│ recurrent state +│/);
  t.regex(one.stdout, /│ KV cache +│ 0 bytes per token +│/);
  t.true(one.stdout.includes(`${bytes.toLocaleString("en")} bytes per session`), one.stdout);

  const facts = JSON.parse((await runCommand(["inspect", file("state.gguf"), "--json"])).stdout);
  t.like(facts.prefill, { memory: "recurrent state", stateBytesPerSession: bytes, kvBytesPerToken: 0 });
  t.like(facts.memory, { kvBytes: 0, stateBytes: bytes, totalBytes: facts.memory.weightsBytes + bytes });

  const pair = await runCommand(["inspect", file("state.gguf"), file("same-state.gguf")]);
  t.regex(pair.stdout, /^Pair: share, /m);
  t.regex(pair.stdout, /│ state of a session, shared │/);

  const other = await runCommand(["inspect", file("state.gguf"), file("larger-state.gguf")]);
  t.regex(other.stdout, /^Pair: impossible, /m);
  t.regex(other.stdout, /│ recurrentState +│ 2,?048 +│ 4,?096 +│ impossible +│/);
  t.regex(other.stdout, /is shared as it is or not at all/);
});

test.serial("--json gives the facts as one object", async (t) => {
  const { stdout } = await runCommand(["inspect", prefill, decode, "--context", "1000", "--json"]);
  const facts = JSON.parse(stdout);
  t.like(facts.prefill, { file: prefill, architecture: "llama", layers: 4, kvBytesPerToken: 2048 });
  t.like(facts.decode, { file: decode, hiddenSize: 64 });
  t.like(facts.plan, { kind: "share", available: true, oneModel: false, reasons: [] });
  // The context is rounded up to a multiple of 256, as loading does.
  t.like(facts.memory, { contextSize: 1024, kvBytes: 1024 * 2048 });
  t.is(facts.memory.weightsBytes, facts.prefill.sizeBytes + facts.decode.sizeBytes);
  t.is(facts.memory.totalBytes, facts.memory.weightsBytes + facts.memory.kvBytes);
});

test.serial("a quantised cache takes less", async (t) => {
  const { stdout } = await runCommand([
    "inspect",
    prefill,
    "--cache-type-k",
    "q8_0",
    "--cache-type-v",
    "q8_0",
    "--json",
  ]);
  // 34 bytes for 32 values in place of 64.
  t.is(JSON.parse(stdout).prefill.kvBytesPerToken, 1088);
});

test.serial("one file twice is one model", async (t) => {
  const { stdout } = await runCommand(["inspect", prefill, prefill, "--json"]);
  const { plan, memory, prefill: model } = JSON.parse(stdout);
  t.true(plan.oneModel);
  t.is(memory.weightsBytes, model.sizeBytes);
});

test.serial("a model and its adapter are one file, and the adapter is told", async (t) => {
  const { folder } = t.context;
  const [model, adapter] = [join(folder, "base.gguf"), join(folder, "adapter.gguf")];
  await writeTinyModel(model);
  await writeTinyAdapter(adapter);
  const { stdout } = await runCommand(["inspect", model, "--decode-adapter", `${adapter}:0.5`]);
  t.regex(stdout, /^Pair: share, /m);
  t.regex(stdout, /Both are one file, whose weights are in memory once\./);
  t.regex(stdout, /│ adapters +│ none +│ .*adapter\.gguf \(rank 4, scale 0\.5\) │/);
  const facts = JSON.parse((await runCommand(["inspect", model, "--decode-adapter", adapter, "--json"])).stdout);
  t.like(facts.plan, { oneModel: false, oneFile: true });
  t.is(facts.memory.weightsBytes, facts.prefill.sizeBytes);
  const { stderr, exitCode } = await runCommand(["inspect", model, "--decode-adapter", `${adapter}:5000`]);
  t.is(exitCode, 2);
  t.regex(stderr, /--decode-adapter/);
});

test.serial("a pair with different vocabularies is impossible, and the token is named", async (t) => {
  const { folder } = t.context;
  const { stdout, exitCode } = await runCommand([
    "inspect",
    join(folder, "deep.gguf"),
    join(folder, "other-words.gguf"),
  ]);
  t.is(exitCode, 0);
  t.regex(stdout, /^Pair: impossible, /m);
  t.regex(stdout, /│ vocabulary │.*edited.*│ impossible │/);
});

test.serial("a pair of different depth is translated, and both caches count", async (t) => {
  const { folder } = t.context;
  const files = [join(folder, "deep.gguf"), join(folder, "shallow.gguf")];
  const { stdout } = await runCommand(["inspect", ...files]);
  t.regex(stdout, /^Pair: translate, /m);
  t.regex(stdout, /│ layers +│ 4 +│ 2 +│ translate +│ the numbers of layers differ and there is no layer map │/);
  const {
    memory,
    prefill: deep,
    decode: shallow,
  } = JSON.parse((await runCommand(["inspect", ...files, "--json"])).stdout);
  t.is(memory.kvBytes, memory.contextSize * (deep.kvBytesPerToken + shallow.kvBytesPerToken));
});

test.serial(
  "a layer map lets a pair of different depth share, and a translated cache counts with its own type",
  async (t) => {
    const { folder } = t.context;
    const files = [join(folder, "deep.gguf"), join(folder, "shallow.gguf")];
    const { stdout } = await runCommand(["inspect", ...files, "--layer-map", "firstlast"]);
    t.regex(stdout, /^Pair: share/m);
    const flags = ["--layer-map", "0,3", "--decode-cache-type-k", "q8_0", "--json"];
    const { plan, prefill, decode } = JSON.parse((await runCommand(["inspect", ...files, ...flags])).stdout);
    t.like(plan, { kind: "translate", available: true, layerMap: [0, 3] });
    t.is(plan.reasons[0].field, "cacheTypeK");
    t.true(decode.kvBytesPerToken < prefill.kvBytesPerToken / 2);
    const wrong = await runCommand(["inspect", ...files, "--layer-map", "0,9"]);
    t.is(wrong.exitCode, 2);
    t.regex(wrong.stderr, /layer map names layer 9/);
  },
);

test.serial("a pair that does not work is told what would make it work", async (t) => {
  const file = (name: string) => join(t.context.folder, name);
  const adviceFor = async (name: string) => (await runCommand(["inspect", file("deep.gguf"), file(name)])).stdout;
  await writeTinyModel(file("few-heads.gguf"), { nLayers: 4, nKvHeads: 1 });
  const depth = await adviceFor("shallow.gguf");
  t.regex(depth, /What would make this pair work:\nIf the decode model .* --layer-map first/);
  t.regex(depth, /Otherwise fit a translator/);
  const heads = await adviceFor("few-heads.gguf");
  const command = `overfill fit --prefill ${file("deep.gguf")} --decode ${file("few-heads.gguf")} --text FILE -o maps.gguf`;
  t.true(heads.includes(command));
  t.notRegex(heads, /--layer-map/);
  t.regex(await adviceFor("other-words.gguf"), /Both models need the same tokenizer/);
  t.notRegex(await adviceFor("deep.gguf"), /What would make/);
});
