/** What `overfill suggest` finds and what it makes of it. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import stringWidth from "string-width";
import { findModelFiles } from "../../lib/cli/suggest/find-models.js";
import { measureBandwidth } from "../../lib/cli/suggest/memory-bandwidth.js";
import {
  candidatePairs,
  estimateSpeed,
  inOrder,
  type KnownModel,
  type SuggestedPair,
  suggestDownload,
  suggestPair,
} from "../../lib/cli/suggest/pairs.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { runCommand } from "./command-process.js";

const { signal } = new AbortController();
const digest = "a".repeat(64);

/** A home without any models but those that a test puts there. */
function home(t: ExecutionContext): { readonly folder: string; readonly env: Record<string, string> } {
  const folder = withTempDir(t);
  const env = { HOME: folder, USERPROFILE: folder, HF_HOME: join(folder, "hf"), OLLAMA_MODELS: join(folder, "ollama") };
  return { folder, env: { ...env, LLAMA_CACHE: join(folder, "llama"), HF_HUB_CACHE: "", HUGGINGFACE_HUB_CACHE: "" } };
}

function write(path: string, text = "GGUF"): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

test("models are found in folders and where programs keep them, each once", async (t) => {
  const { folder, env } = home(t);
  const own = join(folder, "own");
  write(join(own, "a.gguf"));
  write(join(own, "deep", "b-00001-of-00002.gguf"));
  write(join(own, "deep", "b-00002-of-00002.gguf"));
  write(join(own, "mmproj-a.gguf"));
  write(join(own, "node_modules", "c.gguf"));
  write(join(own, "a.txt"));
  const blob = write(join(folder, "hf", "hub", "models--o--n", "blobs", digest));
  const snapshot = join(folder, "hf", "hub", "models--o--n", "snapshots", "1".repeat(40));
  mkdirSync(snapshot, { recursive: true });
  if (process.platform === "win32") write(join(snapshot, "n-Q8_0.gguf"));
  else symlinkSync(blob, join(snapshot, "n-Q8_0.gguf"));
  const layers = [
    { mediaType: "application/vnd.ollama.image.license", digest: `sha256:${"b".repeat(64)}` },
    { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${digest}` },
  ];
  const manifests = join(folder, "ollama", "manifests", "registry.ollama.ai", "library");
  write(join(manifests, "tiny", "latest"), JSON.stringify({ layers }));
  write(join(manifests, "tiny", "broken"), "{");
  write(join(manifests, "tiny", "evil"), JSON.stringify({ layers: [{ ...layers[1], digest: "sha256:../../x" }] }));
  write(join(folder, "ollama", "blobs", `sha256-${digest}`));
  write(join(folder, "llama", "l.gguf"));

  const found = await findModelFiles([own, join(own, "a.gguf")], { env, signal });
  t.deepEqual(found.map(({ name }) => name).sort(), [
    "a.gguf",
    "b-00001-of-00002.gguf",
    "l.gguf",
    "n-Q8_0.gguf",
    "tiny:latest (Ollama)",
  ]);
});

test("a folder that was named and is not there is told", async (t) => {
  const { folder, env } = home(t);
  await t.throwsAsync(findModelFiles([join(folder, "none")], { env, signal }), { message: /none does not exist$/ });
  t.deepEqual(await findModelFiles([], { env, signal }), []);
});

const model = (path: string, sizeBytes: number, more: Partial<KnownModel> = {}) =>
  ({
    ...{ path, fileName: path, sizeBytes, name: "M", architecture: "llama", parameters: 1e9, vocabularySize: 1000 },
    ...{ trainedContextSize: 2048, kvBytesPerToken: 1000, stateBytesPerSession: 0, ...more },
  }) as KnownModel;
const plan = { kind: "share", available: true, oneModel: false } as Parameters<typeof suggestPair>[1];
const machine = { bytesPerSecond: 10e9, availableBytes: 4e9 };

test("the smaller of two models with one vocabulary may write", (t) => {
  const models = [model("q4", 5e8), model("q8", 1e9), model("q7", 9e8), model("other", 1e8, { vocabularySize: 999 })];
  t.deepEqual(
    candidatePairs(models).map(([prefill, decode]) => `${prefill.path} ${decode.path}`),
    ["q8 q4", "q7 q4"],
  );
});

test("speed is bandwidth over what is read for a token", (t) => {
  t.is(estimateSpeed(model("m", 1e9, { kvBytesPerToken: 0 }), 10e9), 7);
  t.true(estimateSpeed(model("m", 1e9, { kvBytesPerToken: 1e6 }), 10e9) < 3.5);
});

test("a pair's memory has a shared cache once and a translated one twice", (t) => {
  const pair = [model("q8", 1e9), model("q4", 5e8)] as const;
  const shared = suggestPair(pair, plan, machine, undefined);
  t.like(shared, { isOneModel: true, fits: true, estimate: { contextSize: 2048, memoryBytes: 1.5e9 + 2048e3 } });
  const translated = suggestPair(pair, { ...plan, kind: "translate" }, machine, 1000);
  t.like(translated, { estimate: { contextSize: 1024, memoryBytes: 1.5e9 + 2 * 1024e3 } });
  t.false(suggestPair(pair, plan, { ...machine, availableBytes: 1.5e9 }, undefined)?.fits);
  t.false(suggestPair([pair[0], model("q4", 5e8, { name: "N" })], plan, machine, undefined)?.isOneModel);
});

test("what cannot work as it is, is not proposed", (t) => {
  const pair = [model("q8", 1e9), model("q4", 5e8)] as const;
  for (const other of [{ available: false }, { kind: "impossible" }, { oneModel: true }] as const)
    t.is(suggestPair(pair, { ...plan, ...other }, machine, undefined), undefined);
});

test("what fits comes first, then one model in two quantisations, then the larger reader", (t) => {
  const pair = (prefill: string, fits: boolean, isOneModel: boolean, alone: number): SuggestedPair => ({
    ...{ prefill, decode: "d", handover: "share", isOneModel, fits },
    estimate: { tokensPerSecond: 20, aloneTokensPerSecond: alone, contextSize: 1, memoryBytes: 1 },
  });
  const pairs = [
    pair("c", true, true, 9),
    pair("e", false, true, 1),
    pair("d", true, false, 1),
    pair("b", true, true, 5),
  ];
  t.deepEqual(
    inOrder(pairs).map(({ prefill }) => prefill),
    ["b", "c", "d", "e"],
  );
});

test("a download fits the memory, and is fast enough to be read along", (t) => {
  const sizes = (bytesPerSecond: number, availableBytes: number) =>
    suggestDownload({ bytesPerSecond, availableBytes })?.repository.match(/[\d.]+B/)?.[0];
  t.is(sizes(20e9, 64e9), "1.5B");
  t.is(sizes(60e9, 64e9), "7B");
  t.is(sizes(800e9, 64e9), "14B");
  t.is(sizes(800e9, 8e9), "1.5B");
  // Slow, but better than nothing.
  t.is(sizes(1e9, 64e9), "0.5B");
  t.is(sizes(20e9, 1e8), undefined);
});

test("a bandwidth is measured", async (t) => {
  t.true((await measureBandwidth(2, 2 ** 28)) > 1e6);
  t.is(await measureBandwidth(2, 1000), 0);
});

test.serial("files on disk become pairs", async (t) => {
  const { folder, env } = home(t);
  const path = (name: string) => join(folder, "models", name);
  mkdirSync(join(folder, "models"));
  await writeTinyModel(path("tiny-F16.gguf"), { weightType: "f16" });
  await writeTinyModel(path("tiny-Q8_0.gguf"), { weightType: "q8_0" });
  await writeTinyModel(path("other.gguf"), {
    vocabEdit: (tokens) => [...tokens.slice(0, -1), "else"],
    weightType: "q8_0",
  });
  writeFileSync(path("broken.gguf"), "GGUF and nothing else");
  const args = ["suggest", join(folder, "models"), "--bandwidth", "10"];
  const { stdout, stderr, exitCode } = await runCommand([...args, "--json"], { env });
  t.is(exitCode, 0, stderr);
  const { pairs, unusable, models, machine: found, download } = JSON.parse(stdout);
  t.deepEqual(
    unusable.map((file: { path: string }) => file.path),
    [path("broken.gguf")],
  );
  t.is(models.length, 3);
  t.like(found, { bytesPerSecond: 10e9, isMeasured: false });
  t.is(pairs.length, 1);
  t.like(pairs[0], {
    prefill: path("tiny-F16.gguf"),
    decode: path("tiny-Q8_0.gguf"),
    handover: "share",
    isOneModel: true,
  });
  t.is(download, undefined);

  const text = await runCommand(args, { env: { ...env, COLUMNS: "80" } });
  t.regex(text.stdout, /1\. tiny-F16\.gguf reads,\n {3}tiny-Q8_0\.gguf writes: two quantisations of one model\n/);
  t.regex(text.stdout, /Speeds and memory are estimates/);
  for (const line of text.stdout.split("\n").filter((one) => !/--(prefill|decode) \S+\.gguf/.test(one)))
    t.true(stringWidth(line) <= 80, line);
});

test.serial("a machine without models is told what to download, by its own bandwidth", async (t) => {
  const { env } = home(t);
  const { stdout, exitCode } = await runCommand(["suggest"], { env: { ...env, COLUMNS: "80" } });
  t.is(exitCode, 0);
  t.regex(stdout, /bandwidth +[\d.]+ GB\/s, measured with \d+ threads?\n/);
  t.regex(stdout, /No models are here\.\n\nDownload a pair .*\n( .*\n)?.*overfill pull Qwen/s);
});

for (const [args, words] of [
  [["--context", "1.5"], "--context: expected a whole number above 0; got 1.5"],
  [["--bandwidth", "0"], "Expected a number above 0"],
] as const)
  test.serial(`${args.join(" ")} is refused`, async (t) => {
    const { stderr, exitCode } = await runCommand(["suggest", ...args]);
    t.is(exitCode, 2);
    t.true(stderr.includes(words), stderr);
  });
