/**
 * What reads a mutant: the package's public calls, each with all else sound. A call that accepts a mutant also uses it, as
 * far as a program would, so that a fault that waits behind the loading is met as well.
 */

import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import {
  createModel,
  evaluate,
  type HealOptions,
  inspect,
  inspectTranslator,
  type LoadPairOptions,
  loadPair,
  measureImportanceMatrix,
  type Pair,
  pad,
  prune,
  quantize,
  readImportance,
  type Session,
} from "../../../lib/index.js";
import { readKeys, readServerConfig } from "../../../lib/server/config.js";
import type { Read } from "./formats.js";
import {
  copyPrefixes,
  longPrompt,
  openPair,
  prefixFiles,
  quiet,
  type SoundFiles,
  trainFor,
  training,
} from "./sound-files.js";

/** The package took a mutant, and did something that is wrong: a finding. */
export class WrongOutcome extends Error {}

const few = { maxTokens: 4, temperature: 0, ignoreEos: true } as const;

async function uses(session: Session): Promise<string> {
  await session.prefill([40, 41, 42, 43]);
  await session.switch();
  let count = 0;
  for await (const { tokens } of session.decode(few)) count += tokens.length;
  return `wrote ${count} tokens`;
}

async function answers(pair: Pair): Promise<string> {
  const ids = pair.tokenize("bcd the 12", { addSpecial: true });
  pair.detokenize(ids);
  await using session = await pair.createSession();
  return await uses(session);
}

const conversation = [
  { role: "user", content: "bcd" },
  { role: "assistant", content: "the" },
] as const;

async function loads(options: Pick<LoadPairOptions, "prefill" | "decode" | "translator">): Promise<string> {
  await using pair = await loadPair({ ...quiet, prefixCache: false, contextSize: 512, ...options });
  const told = await answers(pair);
  pair.encode({ messages: conversation });
  return told;
}

export const asOneModel: Read = (model) => loads({ prefill: { model } });

export const asPrefillModel: Read = (model, files) => loads({ prefill: { model }, decode: { model: files.decode } });

export const asDecodeModel: Read = (model, files) =>
  loads({ prefill: { model: files.model("llama") }, decode: { model } });

export const inspected: Read = async (model, files) => {
  await inspect({ prefill: { model } });
  const { plan } = await inspect({ prefill: { model: files.model("llama") }, decode: { model } });
  return plan.kind;
};

export const asAdapter: Read = (file, files) =>
  loads({ prefill: { model: files.model("llama"), adapters: [{ file }] }, decode: { model: files.decode } });

/** What was written is a model that loads, or the one who wrote it is at fault. */
async function writes(path: string, write: (out: string) => Promise<unknown>): Promise<string> {
  const out = `${path}.out.gguf`;
  try {
    await write(out);
    return `made a model that ${await loads({ prefill: { model: out } })}`;
  } finally {
    rmSync(out, { force: true });
  }
}

export const pruned: Read = (model, files) =>
  writes(model, (out) =>
    prune({ ...quiet, model, out, text: files.text, ffn: 0.5, heads: 0.5, multiple: 32, window: 64, maxSamples: 4 }),
  );

export const padded: Read = (model) => writes(model, (out) => pad({ threads: 1, model, out, multiple: 128 }));

export const quantized: Read = (model) => writes(model, (out) => quantize({ threads: 1, model, out, type: "q4_k_m" }));

export const asTokenizer: Read = (tokenizer) =>
  writes(tokenizer, (out) =>
    createModel({ out, tokenizer, hiddenSize: 32, feedForwardSize: 32, layers: 1, heads: 1, kvHeads: 1 }),
  );

/** One step, with the outputs beside the mutant, which go. */
async function trains(path: string, options: Omit<HealOptions, "out">): Promise<string> {
  const out = `${path}.out`;
  const checkpoint = `${path}.checkpoint`;
  try {
    return await trainFor(1, { out, checkpoint, ...options });
  } finally {
    for (const file of [out, checkpoint]) rmSync(file, { force: true });
  }
}

export const healed: Read = (student, files) => trains(student, { ...training(files), student });

export const resumed: Read = (checkpoint, files) =>
  trains(checkpoint, { ...training(files), checkpoint, resume: true });

export const trainedOn: Read = (data, files) =>
  trains(data, { ...training(files), data, contextSize: 64, microBatchTokens: 128 });

export const asTranslator: Read = async (translator, files) => {
  await inspectTranslator(translator);
  return loads({ prefill: { model: files.model("llama") }, decode: { model: files.translated }, translator });
};

export const asImportance: Read = async (importance, files) => {
  const samples = (await readImportance(importance))?.samples;
  const told = await writes(importance, (out) =>
    prune({ ...quiet, model: files.model("llama"), out, importance, hidden: 0.5, ffn: 0.5, multiple: 32 }),
  );
  return `${samples} samples, ${told}`;
};

/** It says nothing of its samples' length, without which it cannot be merged. */
export const asOldMatrix: Read = (importance, { wide: model }) =>
  writes(importance, (out) => quantize({ threads: 1, model, out, type: "q4_k_m", importance }));

export const asMatrix: Read = async (importance, files) => {
  const told = await asOldMatrix(importance, files);
  const out = `${importance}.merged`;
  try {
    await measureImportanceMatrix({ ...quiet, model: files.wide, merge: importance, out });
    return `${told}, and was merged`;
  } finally {
    rmSync(out, { force: true });
  }
};

let sessionPair: Pair | undefined;

/** One pair for all sessions: that one restores what another could not is a part of the question. */
async function pairOfSessions(files: SoundFiles): Promise<Pair> {
  sessionPair ??= await openPair(files);
  return sessionPair;
}

async function restoresIn(pair: Pair, path: string): Promise<string> {
  await using session = await pair.restore(path);
  const { stage } = session.stats();
  await session.prefill([50], { replace: stage === "interrupted" });
  return `${stage}, ${await uses(session)}`;
}

export const restored: Read = async (path, files) => {
  const pair = await pairOfSessions(files);
  const [outcome] = await Promise.allSettled([restoresIn(pair, path)]);
  if (pair.metrics().sessions > 0) throw new WrongOutcome("a session's place was not given back");
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
};

export const restoredChat: Read = async (path, files) => {
  const pair = await pairOfSessions(files);
  await using chat = await pair.restoreChat(path);
  const { text } = await chat.send("bcd", { maxTokens: 4, temperature: 0 }).finished;
  return `${chat.messages.length} messages, ${text.length} characters`;
};

let expectedTokens: string | undefined;

/** Reads the long prompt with a folder of blocks, and writes a few tokens. */
async function takesOver(files: SoundFiles, directory: string): Promise<{ tokens: string; cached: number }> {
  const model = files.model("llama");
  await using pair = await loadPair({
    ...{ ...quiet, contextSize: 1024, prefill: { model }, prefixCache: { directory } },
  });
  await using session = await pair.createSession();
  const { cachedTokens } = await session.prefill(longPrompt);
  await session.switch();
  const tokens: number[] = [];
  for await (const chunk of session.decode(few)) tokens.push(...chunk.tokens);
  return { tokens: tokens.join(" "), cached: cachedTokens };
}

/** In the place of a sound block, each of them in turn. */
async function withBlock(path: string, files: SoundFiles, mustBeRight: boolean): Promise<string> {
  const directory = `${path}.folder`;
  const cached: number[] = [];
  try {
    expectedTokens ??= (await takesOver(files, files.prefixes)).tokens;
    for (const block of prefixFiles(files)) {
      await copyPrefixes(files, directory);
      copyFileSync(path, join(directory, basename(block)));
      const outcome = await takesOver(files, directory);
      if (mustBeRight && outcome.tokens !== expectedTokens)
        throw new WrongOutcome(`a damaged block gave ${outcome.tokens} in place of ${expectedTokens}`);
      cached.push(outcome.cached);
      const left = readdirSync(directory).filter((name) => name.startsWith("."));
      if (left.length > 0) throw new WrongOutcome(`${left} was left`);
    }
    return `took over ${cached.join(" and ")} tokens`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const fromPrefixes: Read = (path, files) => withBlock(path, files, true);

/** Whose values are no longer what a model computed, so that any answer is right. */
export const fromResealedPrefixes: Read = (path, files) => withBlock(path, files, false);

export const evaluatedOn: Read = async (data, files) => {
  const report = await evaluate({
    ...{ ...quiet, prefill: files.model("llama"), decode: files.decode, data },
    ...{ maxExamples: 2, maxTokens: 4, windowSize: 64, resamples: 100, contextSize: 512 },
  });
  return `${report.rows.length} rows`;
};

export const asConfig: Read = async (path) => {
  const { models } = await readServerConfig(path);
  return `${Object.keys(models ?? {}).length} models`;
};

export const asKeys: Read = async (path) => `${(await readKeys(path)).length} keys`;
