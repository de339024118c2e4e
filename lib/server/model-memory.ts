/** What models take of the memory for models: before they are loaded by their files, afterwards by what they tell. */

import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { DecodeSource, LoadPairOptions, PairInfo, PrefillSource } from "../engine/index.js";

/** Bytes of the files of a pair. */
export interface FileBytes {
  readonly models: number;
  readonly adapters: number;
}

/** Whether all layers of the prefill model lie on another machine's devices. Of some of them nobody knows how much is left. */
const isLent = (prefill: LoadPairOptions["prefill"]): boolean =>
  "devices" in prefill && prefill.devices !== undefined && (prefill.gpuLayers ?? "all") === "all";

/**
 * Bytes of weights and of KV caches, without adapters; models that are the same file count once. Caches count wherever they
 * lie.
 */
export function loadedBytes({ prefill, writers, kvBytes }: PairInfo, load: Pick<LoadPairOptions, "prefill">): number {
  const weights = Object.values(writers)
    .filter(({ plan }) => !plan.oneFile)
    .reduce((total, { model }) => total + model.sizeBytes, isLent(load.prefill) ? 0 : prefill.sizeBytes);
  return weights + kvBytes;
}

/** As llama.cpp names the parts of a model; the first is the one that is named. */
const firstPart = /^(.*)-00001-of-(\d{5})\.gguf$/s;

/** The file, or all parts of a model that was split. */
function partsOf(file: string): readonly string[] {
  const [, stem, count] = firstPart.exec(file) ?? [];
  if (stem === undefined || count === undefined) return [file];
  return Array.from({ length: Number(count) }, (_, i) => `${stem}-${String(i + 1).padStart(5, "0")}-of-${count}.gguf`);
}

const pathOf = (file: string | URL): string => (String(file).startsWith("file:") ? fileURLToPath(file) : String(file));

/** Each file once. What is not there takes nothing: the load tells it. */
async function sizeOf(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    [...new Set(files)].map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

/** Of all models of a pair, with all of their parts. */
export async function fileBytes({ prefill, decode }: LoadPairOptions): Promise<FileBytes> {
  const writers =
    decode === undefined || decode === "prefill" ? [] : "model" in decode ? [decode] : Object.values(decode);
  // What a server reads with is not here.
  const readers = "url" in prefill || isLent(prefill) ? [] : [prefill];
  const sources = [...readers, ...(writers as readonly DecodeSource[])] satisfies readonly PrefillSource[];
  const [models, adapters] = await Promise.all([
    sizeOf(sources.flatMap(({ model }) => partsOf(pathOf(model)))),
    sizeOf(sources.flatMap(({ adapters: files = [] }) => files.map(({ file }) => pathOf(file)))),
  ]);
  return { models, adapters };
}
