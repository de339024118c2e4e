/** Begins the native load of a pair: chooses device and threads, and turns the options into what the binding takes. */

import type { NativePair } from "../internal/binding-types.js";
import { toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { toNativeAdapters, toNativeCaches, toNativeWriter } from "./native-sides.js";
import type { LoadedPair, PairLink } from "./pair-link.js";
import { toNativePrefixes } from "./prefix-memory.js";
import type { AskedPair } from "./writer-validation.js";

/** A pair that is being loaded. */
export interface OpenedPair {
  readonly native: NativePair;
  /** Settles when the load has ended. */
  readonly loaded: Promise<LoadedPair>;
}

/** The layers that go to the servers of a link. */
function placeRemotely({ gpuLayers, split }: AskedPair["checked"]["prefill"], link: PairLink | undefined) {
  if (!link?.endpoints) return {};
  return {
    gpuLayers: gpuLayers === undefined || gpuLayers === "all" ? -1 : gpuLayers,
    remote: link.endpoints,
    ...(split && { split: Float32Array.from(split) }),
  };
}

/** Closes the link when the pair is freed: until then llama.cpp would end the process where it cannot talk to a server. */
function closingLink(native: NativePair, link: PairLink | undefined): NativePair {
  if (!link) return native;
  const dispose = native.dispose.bind(native);
  native.dispose = async () => {
    try {
      await dispose();
    } finally {
      await link.close();
    }
  };
  return native;
}

/** Takes the link, and closes it where it throws: ERR_INVALID_ARGUMENT, and the loader's codes. */
export function openNativePair(asked: AskedPair, onProgress: (fraction: number) => void, link?: PairLink): OpenedPair {
  try {
    return beginNativePair(asked, onProgress, link);
  } catch (error) {
    void link?.close();
    throw error;
  }
}

function beginNativePair(
  { checked, writers }: AskedPair,
  onProgress: (fraction: number) => void,
  link?: PairLink,
): OpenedPair {
  const prefillPath = toPath(checked.prefill.model, "options.prefill.model");
  for (const { source, parameter } of writers) toPath(source.model, `${parameter}.model`);
  const binding = loadBinding();
  const { gpu, threads, modelAt } = chooseComputing(checked, prefillPath);
  const loading = binding.loadPair(
    {
      prefill: {
        ...modelAt(prefillPath, checked.prefill),
        ...placeRemotely(checked.prefill, link),
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
      // What is kept here of what was read there would cross the network, as often as the handover does.
      ...toNativePrefixes(checked.prefixCache ?? (link?.endpoints ? false : undefined)),
      threads,
      readerElsewhere: link?.reader ?? "",
      handover: checked.handover,
      implementation: checked.implementation,
    },
    onProgress,
  );
  const native = link?.wrap?.(loading) ?? closingLink(loading, link);
  return { native, loaded: native.loaded.then((info) => ({ ...info, gpu: gpu.kind })) };
}
