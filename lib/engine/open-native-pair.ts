/** Begins the native load of a pair: chooses device and threads, and turns the options into what the binding takes. */

import type { NativePair, NativePairInfo } from "../internal/binding-types.js";
import { toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { toNativeAdapters, toNativeCaches, toNativeWriter } from "./native-sides.js";
import { toNativePrefixes } from "./prefix-memory.js";
import type { PairInfo } from "./results.js";
import type { AskedPair } from "./writer-validation.js";

/** What was loaded, and where it runs. */
export type LoadedPair = NativePairInfo & Pick<PairInfo, "gpu">;

/** A pair that is being loaded. */
export interface OpenedPair {
  readonly native: NativePair;
  /** Settles when the load has ended. */
  readonly loaded: Promise<LoadedPair>;
}

/** Throws ERR_INVALID_ARGUMENT, and the loader's codes. */
export function openNativePair({ checked, writers }: AskedPair, onProgress: (fraction: number) => void): OpenedPair {
  const prefillPath = toPath(checked.prefill.model, "options.prefill.model");
  for (const { source, parameter } of writers) toPath(source.model, `${parameter}.model`);
  const binding = loadBinding();
  const { gpu, threads, modelAt } = chooseComputing(checked, prefillPath);
  const native = binding.loadPair(
    {
      prefill: {
        ...modelAt(prefillPath, checked.prefill),
        adapters: toNativeAdapters("options.prefill", checked.prefill),
      },
      writers: writers.map((writer) => toNativeWriter(writer, modelAt)),
      ...toNativeCaches(checked),
      contextSize: checked.contextSize ?? 0,
      cacheTokens: checked.cacheTokens ?? 0,
      maxSessions: checked.maxSessions,
      maxWaiting: checked.queue?.maxWaiting ?? 64,
      batchSize: checked.batchSize,
      prefillShare: checked.prefillShare,
      ...toNativePrefixes(checked.prefixCache),
      threads,
      handover: checked.handover,
      implementation: checked.implementation,
    },
    onProgress,
  );
  return { native, loaded: native.loaded.then((info) => ({ ...info, gpu: gpu.kind })) };
}
