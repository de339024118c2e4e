/** The formats that are read: of each its sound files, how mutants are made of them, and what reads them. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../../test/support/random.js";
import { inDescription, resealed, resealPrefix, resealSession, sealCheckpoint, sealedAnew } from "./checksums.js";
import { mutateGguf } from "./gguf-mutation.js";
import { type Mutant, type Mutate, mutateBytes, oneOf, pick } from "./mutation.js";
import * as readers from "./readers.js";
import { type ModelName, modelRecipes, prefixFiles, type SoundFiles } from "./sound-files.js";
import { mutateJson, mutateLines } from "./text-mutation.js";

/** What reads a mutant, which lies at `path`, and gives in a few words what came of it. Throws what the package throws. */
export type Read = (path: string, files: SoundFiles) => Promise<string>;

export interface Format {
  readonly name: string;
  readonly sound: (files: SoundFiles) => readonly string[];
  readonly mutate: Mutate;
  /** The name's end, where a reader goes by it. */
  readonly extension: string;
  readonly read: Read;
}

const gguf = oneOf(mutateGguf, mutateGguf, mutateGguf, mutateBytes);
const allModels = (files: SoundFiles) => (Object.keys(modelRecipes) as ModelName[]).map((name) => files.model(name));
const llama = (files: SoundFiles) => [files.model("llama")];

const row = (name: string, sound: Format["sound"], mutate: Mutate, extension: string, read: Read): Format => ({
  ...{ name, sound, mutate, extension, read },
});

export const formats: readonly Format[] = [
  row("model", allModels, gguf, ".gguf", readers.asOneModel),
  row("prefill-model", llama, gguf, ".gguf", readers.asPrefillModel),
  row("decode-model", (files) => [files.decode, files.translated], gguf, ".gguf", readers.asDecodeModel),
  row("inspected-model", allModels, gguf, ".gguf", readers.inspected),
  row("adapter", (files) => [files.adapter], gguf, ".gguf", readers.asAdapter),
  row("pruned-model", llama, gguf, ".gguf", readers.pruned),
  row("padded-model", llama, gguf, ".gguf", readers.padded),
  row("quantized-model", (files) => [files.wide, files.model("llama")], gguf, ".gguf", readers.quantized),
  row("tokenizer", allModels, gguf, ".gguf", readers.asTokenizer),
  row("student", (files) => [files.wide], gguf, ".gguf", readers.healed),
  row("translator", (files) => [files.translator], gguf, ".gguf", readers.asTranslator),
  row("importance", (files) => [files.importance], gguf, ".gguf", readers.asImportance),
  row("importance-matrix", (files) => [files.matrix], gguf, ".gguf", readers.asMatrix),
  row("old-importance-matrix", (files) => [files.oldMatrix], mutateBytes, ".dat", readers.asOldMatrix),
  row(
    "checkpoint",
    (files) => [files.checkpoint],
    oneOf(mutateBytes, sealedAnew(gguf, 8, sealCheckpoint), sealedAnew(gguf, 8, sealCheckpoint)),
    "",
    readers.resumed,
  ),
  row(
    "saved-session",
    (files) => [files.session],
    oneOf(
      mutateBytes,
      resealed(inDescription(mutateBytes), resealSession),
      resealed(inDescription(mutateBytes), resealSession),
    ),
    ".ofs",
    readers.restored,
  ),
  row(
    "saved-chat",
    (files) => [files.chat],
    oneOf(
      mutateBytes,
      resealed(inDescription(mutateBytes), resealSession),
      resealed(inDescription(mutateJson), resealSession),
    ),
    ".ofs",
    readers.restoredChat,
  ),
  row("prefix-block", prefixFiles, mutateBytes, "", readers.fromPrefixes),
  row("resealed-prefix-block", prefixFiles, resealed(mutateBytes, resealPrefix), "", readers.fromResealedPrefixes),
  row("training-records", (files) => [files.records, files.chats], mutateLines, ".jsonl", readers.trainedOn),
  row("training-text", (files) => [files.text], mutateBytes, ".txt", readers.trainedOn),
  row("evaluation-data", (files) => [files.records, files.choices], mutateLines, ".jsonl", readers.evaluatedOn),
  row("server-config", (files) => [files.config], mutateJson, ".json", readers.asConfig),
  row("server-keys", (files) => [files.keys], mutateBytes, "", readers.asKeys),
];

export function formatNamed(name: string): Format {
  const format = formats.find((one) => one.name === name);
  if (!format) throw new RangeError(`no format is named ${name}: ${formats.map((one) => one.name).join(", ")}`);
  return format;
}

/** A mutant of one of a format's sound files, drawn; and where it is a copy of. */
export function makeMutant(format: Format, files: SoundFiles, random: Random): Mutant & { readonly of: string } {
  const of = pick(random, format.sound(files));
  return { ...format.mutate(readFileSync(of), random), of };
}

/** Writes a mutant for its reader, in a folder of sound files, and gives its path. */
export function writeMutant(format: Format, folder: string, bytes: Uint8Array): string {
  const path = join(folder, `mutant${format.extension}`);
  writeFileSync(path, bytes);
  return path;
}
