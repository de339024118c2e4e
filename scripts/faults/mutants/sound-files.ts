/**
 * A sound file of every format, all small, and written by the package itself wherever it writes them. Paths are told by
 * name, so that the process that makes them and those that read their mutants agree.
 */

import { copyFileSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  fitTranslator,
  type HealOptions,
  heal,
  loadPair,
  measureImportance,
  measureImportanceMatrix,
} from "../../../lib/index.js";
import { f32, text, u32Array } from "../../../test/support/gguf-format.js";
import { writeTinyAdapter } from "../../../test/support/tiny-adapter.js";
import { type TinyModelOptions, writeTinyModel } from "../../../test/support/tiny-model.js";
import { writtenText } from "../../../test/support/written-text.js";
import { joined, putInteger } from "./mutation.js";

export const quiet = { threads: 1, gpu: false } as const;

const template =
  "{%- for m in messages %}{{- m.role + ':' + m.content + eos_token }}{%- endfor %}" +
  "{%- if add_generation_prompt %}{{- 'assistant:' }}{%- endif %}";

const withTemplate = { "tokenizer.chat_template": text(template) };
const small = {
  ...{ nEmbd: 64, nFf: 64, nHeads: 2, nKvHeads: 1, headSize: 32, contextLength: 512 },
  metadata: withTemplate,
} as const satisfies TinyModelOptions;

/** Models of every kind of tokenizer and memory. */
export const modelRecipes = {
  llama: small,
  spm: { ...small, tokenizer: "spm", weightType: "q8_0" },
  unigram: { ...small, tokenizer: "unigram", architecture: "qwen3" },
  gemma3: { ...small, architecture: "gemma3", slidingWindow: { window: 32, pattern: 2 } },
  granite: { ...small, architecture: "granite", ropeScaling: { type: "yarn", factor: 4, originalContextLength: 128 } },
  mamba: { ...small, architecture: "mamba" },
  lfm2: { ...small, architecture: "lfm2" },
} as const satisfies Record<string, TinyModelOptions>;

export type ModelName = keyof typeof modelRecipes;

/** What is in a folder of sound files. */
export const soundFiles = (folder: string) => {
  const at = (name: string) => join(folder, name);
  return {
    model: (name: ModelName) => at(`${name}.gguf`),
    /** Of the same cache as `llama`. */
    decode: at("decode.gguf"),
    /** Of another cache, with a translator and a layer map named in its metadata. */
    translated: at("translated.gguf"),
    wide: at("wide.gguf"),
    adapter: at("adapter.gguf"),
    translator: at("translator.gguf"),
    importance: at("importance.gguf"),
    matrix: at("matrix.gguf"),
    oldMatrix: at("matrix.dat"),
    checkpoint: at("checkpoint"),
    session: at("session.ofs"),
    chat: at("chat.ofs"),
    prefixes: at("prefixes"),
    records: at("records.jsonl"),
    chats: at("chats.jsonl"),
    choices: at("choices.jsonl"),
    text: at("text.txt"),
    config: at("overfill.config.json"),
    keys: at("keys"),
  };
};

export type SoundFiles = ReturnType<typeof soundFiles>;

/** Two blocks of a prefix cache and a bit. */
export const longPrompt = Array.from({ length: 560 }, (_, i) => 40 + ((i * 7) % 150));

export const openPair = ({ model, decode }: SoundFiles, sizes: { contextSize?: number; maxSessions?: number } = {}) =>
  loadPair({
    ...quiet,
    prefixCache: false,
    contextSize: 512,
    ...sizes,
    prefill: { model: model("llama") },
    decode: { model: decode },
  });

/** A training without end, to be stopped when it goes on. */
export const training = ({ wide, records }: SoundFiles) =>
  ({
    ...{ ...quiet, mode: "full", student: wide, data: records, freeze: ["token_embd.weight", "*ffn*"] },
    ...{ batchSize: 2, maxSteps: 1_000_000, learningRate: 1e-3, warmUp: 0 },
  }) as const satisfies Omit<HealOptions, "out">;

/** Runs a training until it has made `steps` steps more; `ended` if it came to an end without. */
export async function trainFor(steps: number, options: HealOptions): Promise<"stopped" | "ended"> {
  const controller = new AbortController();
  const stopped = {};
  let first: number | undefined;
  const onProgress = ({ stage, step }: { stage: string; step: number }) => {
    if (stage !== "training") return;
    first ??= step;
    if (step >= first + steps) controller.abort(stopped);
  };
  return heal({ ...options, onProgress, signal: controller.signal }).then(
    () => "ended",
    (error: unknown) => (error === stopped ? "stopped" : Promise.reject(error)),
  );
}

/** The file that llama.cpp's tools wrote before they wrote GGUF. */
function oldMatrix(names: readonly (readonly [part: string, columns: number])[]): Uint8Array {
  const int = (value: number) => {
    const bytes = new Uint8Array(4);
    putInteger(bytes, 0, 4, BigInt(value));
    return bytes;
  };
  const utf8 = new TextEncoder();
  const entries = names.map(([part, columns]) => {
    const name = `blk.0.${part}.weight`;
    const values = Float32Array.from({ length: columns }, (_, i) => 1 + (i % 5));
    return joined(int(name.length), utf8.encode(name), int(4), int(columns), new Uint8Array(values.buffer));
  });
  return joined(int(names.length), ...entries, int(4), int(4), utf8.encode("text"));
}

const jsonLines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join("");

function writeData(files: SoundFiles): void {
  const words = (i: number) => `b${i} cdf g${i} jk`;
  const each = <Item>(make: (i: number) => Item) => Array.from({ length: 8 }, (_, i) => make(i));
  writeFileSync(files.records, jsonLines(each((i) => ({ prompt: words(i), response: words(i + 1) }))));
  const turn = (role: string, content: string) => ({ role, content });
  writeFileSync(files.chats, jsonLines(each((i) => ({ messages: [turn("user", words(i)), turn("assistant", "x")] }))));
  writeFileSync(files.choices, jsonLines(each((i) => ({ query: words(i), choices: ["b", "c d"], gold: i % 2 }))));
  writeFileSync(files.keys, "# ours\none-key\nanother-key\n");
  const model = {
    prefill: { model: "llama.gguf", mmap: true },
    decode: { writers: { small: "decode.gguf", other: { model: "decode.gguf", gpuLayers: 0 } } },
    ...{ aliases: ["a"], contextSize: 512, maxSessions: 2, gpu: false, prefixCache: { maxBytes: "1M" } },
    defaults: { temperature: 0.5 },
  };
  const config = {
    models: { one: model, two: { prefill: "llama.gguf" } },
    memory: "1G",
    port: 0,
    limits: { maxWaiting: 2 },
  };
  writeFileSync(files.config, JSON.stringify({ ...config, keysFile: "keys", hosts: ["a.example"] }, null, 2));
}

async function writeModels(files: SoundFiles): Promise<void> {
  for (const [name, recipe] of Object.entries(modelRecipes))
    await writeTinyModel(files.model(name as ModelName), recipe);
  await writeTinyModel(files.decode, { ...small, seed: 2, nEmbd: 32 });
  await writeTinyModel(files.wide, { ...small, nLayers: 1, nEmbd: 256, nFf: 256, headSize: 64 });
  await writeTinyModel(files.translated, {
    ...small,
    ...{ seed: 5, nKvHeads: 2, nLayers: 2 },
    metadata: {
      ...withTemplate,
      "overfill.layer_map": u32Array([0, 1]),
      "overfill.translator": text("translator.gguf"),
      "overfill.parent.norm": f32(1),
    },
  });
  await writeTinyAdapter(files.adapter, { model: modelRecipes.llama });
}

async function writeSessions(files: SoundFiles): Promise<void> {
  await using pair = await openPair(files, { maxSessions: 2 });
  await using session = await pair.createSession();
  await session.prefill(longPrompt.slice(0, 40));
  await session.switch();
  for await (const _ of session.decode({ maxTokens: 5, temperature: 0, ignoreEos: true }));
  await session.save(files.session);
  await using chat = pair.chat();
  await chat.send("bcd", { maxTokens: 5, temperature: 0 }).finished;
  await chat.save(files.chat);
}

async function writePrefixes(files: SoundFiles): Promise<void> {
  const model = files.model("llama");
  const prefixCache = { directory: files.prefixes };
  await using pair = await loadPair({ ...quiet, prefill: { model }, contextSize: 1024, prefixCache });
  await using session = await pair.createSession();
  await session.prefill(longPrompt);
}

/** Writes them all. */
export async function writeSoundFiles(folder: string): Promise<SoundFiles> {
  await mkdir(folder, { recursive: true });
  const files = soundFiles(folder);
  await writeModels(files);
  writeData(files);
  writeFileSync(files.text, await writtenText(files.model("llama"), { answers: 8 }));
  const prefill = { model: files.model("llama") };
  const { text: data } = files;
  await fitTranslator({
    ...{ ...quiet, prefill, decode: { model: files.translated }, text: data, out: files.translator },
    ...{ chunkSize: 64, weightType: "f32" },
  });
  await measureImportance({ ...quiet, ...prefill, text: data, out: files.importance, window: 64 });
  await measureImportanceMatrix({ ...quiet, model: files.wide, text: data, out: files.matrix, window: 64 });
  const columns = {
    attn_q: 256,
    attn_k: 256,
    attn_v: 256,
    attn_output: 128,
    ffn_gate: 256,
    ffn_up: 256,
    ffn_down: 256,
  };
  writeFileSync(files.oldMatrix, oldMatrix(Object.entries(columns)));
  const out = join(folder, "trained.gguf");
  await trainFor(2, { ...training(files), out, checkpoint: files.checkpoint });
  await writeSessions(files);
  await writePrefixes(files);
  for (const [name, path] of Object.entries(files))
    if (typeof path === "string" && !existsSync(path)) throw new Error(`${name} was not written`);
  if (readdirSync(files.prefixes).length < 2) throw new Error("the prefix cache wrote fewer blocks than two");
  return files;
}

/** What sound files name is beside them, and so it is beside their mutants. */
export function copyNamed(files: SoundFiles, folder: string): void {
  for (const path of [files.translator, files.keys, files.decode, files.model("llama")])
    copyFileSync(path, join(folder, basename(path)));
}

/** The blocks of a prefix cache, the first one first. */
export const prefixFiles = ({ prefixes }: SoundFiles): string[] =>
  readdirSync(prefixes)
    .sort()
    .map((name) => join(prefixes, name));

/** Copies the folder of a prefix cache. */
export async function copyPrefixes(files: SoundFiles, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of readdirSync(files.prefixes)) copyFileSync(join(files.prefixes, name), join(to, name));
}
