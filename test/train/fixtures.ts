/** What the tests of training have in common: a model, data that it can learn, and settings for a short training. */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HealOptions } from "../../lib/index.js";
import { quiet } from "../engine/fixtures.js";
import { mulberry32 } from "../support/random.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";

export const tinyShape = {
  ...{
    seed: 3,
    nLayers: 2,
    nEmbd: 64,
    nFf: 128,
    nHeads: 4,
    nKvHeads: 2,
    headSize: 32,
    contextLength: 256,
    name: "tiny",
  },
} as const satisfies TinyModelOptions;

/** A short training without evaluation. */
export const short = {
  ...quiet,
  ...{ batchSize: 4, maxSteps: 6, learningRate: 1e-3, warmUp: 0 },
} as const satisfies Partial<HealOptions>;

/** Characters that no tokenizer of the fixtures merges: each is a token. */
const characters = "bcdfgjkpquvxyz0123456789";

/** `count` characters, which are as many tokens. Equal seeds give equal texts. */
export function someText(count: number, seed = 1): string {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => characters[Math.floor(random() * characters.length)] ?? "").join("");
}

export interface PromptAndResponse {
  readonly prompt: string;
  readonly response: string;
}

/** Pairs that have nothing to do with each other, to be learned by heart. */
export const somePairs = (count: number, seed = 1): PromptAndResponse[] =>
  Array.from({ length: count }, (_, i) => ({
    prompt: someText(12, 1000 * seed + 2 * i),
    response: someText(6, 1000 * seed + 2 * i + 1),
  }));

/** Writes a line of JSON for each record, and a string as it is. */
export function writeLines(path: string, records: readonly (object | string)[]): string {
  const lines = records.map((record) => (typeof record === "string" ? record : JSON.stringify(record)));
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

export interface TrainingFiles {
  readonly folder: string;
  readonly model: string;
  /** Sixteen pairs of prompt and response. */
  readonly data: string;
}

export async function writeTrainingFiles(folder: string): Promise<TrainingFiles> {
  const { path: model } = await writeTinyModel(join(folder, "tiny.gguf"), tinyShape);
  return { folder, model, data: writeLines(join(folder, "train.jsonl"), somePairs(16)) };
}

export const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
