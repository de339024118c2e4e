/** How the models of a measurement are loaded: both together, or each by itself as a user would load it. */

import type { DecodeSource, OnePairOptions, PrefillSource } from "../engine/index.js";
import type { Loading } from "./options.js";

/** Which models a pair has. */
export type PairKind = "pair" | "prefill" | "decode";

/** The options of a measurement as they were checked: what a model is, is an object. */
export interface LoadingOf extends Omit<Loading, "contextSize"> {
  readonly prefill: PrefillSource;
  readonly decode?: DecodeSource | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadingWatch {
  readonly contextSize: number | undefined;
  /** Called while models load, with the share that is done. */
  readonly onProgress: (fraction: number) => void;
}

/** Options of {@link loadPair}. */
export function toLoadOptions(
  options: LoadingOf,
  kind: PairKind,
  { contextSize, onProgress }: LoadingWatch,
): OnePairOptions {
  const { signal } = options;
  const { prefill, decode, translator, handover, implementation, ...common } = loadingOf(options);
  const watched = {
    ...common,
    // A prompt is read in the same micro-batches whatever was asked before it.
    prefixCache: false as const,
    ...(contextSize !== undefined && { contextSize }),
    ...(signal && { signal }),
    onProgress: ({ fraction }: { readonly fraction: number }) => onProgress(fraction),
  };
  if (kind === "pair") return { ...watched, prefill, ...given({ decode, translator, handover, implementation }) };
  if (kind === "prefill" || decode === undefined) return { ...watched, prefill };
  // Its own cache is as it is beside the prefill model.
  const { model, gpuLayers, mmap, adapters, ...cache } = decode as DecodeSource;
  return { ...watched, ...cache, prefill: { model, ...given({ gpuLayers, mmap, adapters }) } };
}

const loadingNames = [
  "prefill",
  "decode",
  "translator",
  "batchSize",
  "threads",
  "kernels",
  "cacheTypeK",
  "cacheTypeV",
  "flashAttention",
  "handover",
  "implementation",
  "gpu",
] as const satisfies readonly (keyof LoadingOf)[];

/** What is handed on to {@link loadPair}, which checks it. */
function loadingOf(options: LoadingOf): Omit<OnePairOptions, "contextSize"> {
  return given(Object.fromEntries(loadingNames.map((name) => [name, options[name]]))) as unknown as OnePairOptions;
}

/** Without what is undefined: an absent option is another thing to the types. */
function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]: Exclude<Options[Name], undefined>;
  };
}
