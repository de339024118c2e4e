/** Loads a pair: checks the options, chooses device and threads, and waits for the native load. */

import { abortable, guardCallback, runJob } from "../internal/abortable.js";
import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import type { InspectOptions, LoadPairOptions } from "./options.js";
import { makePair, type Pair } from "./pair.js";
import type { PairInspection } from "./results.js";
import {
  type AdaptedSource,
  checkInspectOptions,
  checkLoadPairOptions,
  toNativeAdapters,
  toNativeCaches,
} from "./validation.js";

/**
 * Loads two GGUF models as a pair. Works off the JavaScript thread.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED or ERR_MODEL_LOAD_FAILED for a
 *   file, be it a model's or an adapter's; ERR_ADAPTER_MISMATCH for an adapter of another model;
 * - ERR_PAIR_INCOMPATIBLE, with every reason, for two models that do not make a pair; ERR_HANDOVER_UNAVAILABLE for a pair whose
 *   cache cannot be handed over in the way asked for, or not without a translator;
 * - ERR_TRANSLATOR_INVALID or ERR_TRANSLATOR_MISMATCH for a translator that is broken or made for other models;
 * - ERR_GPU_UNAVAILABLE for a device that was asked for by name; ERR_OUT_OF_MEMORY;
 * - the loader's codes (ERR_PLATFORM_PACKAGE_MISSING, ...) if the native part cannot be loaded;
 * - `signal.reason` when aborted.
 *
 * Nothing stays loaded after a rejection.
 */
export async function loadPair(options: LoadPairOptions): Promise<Pair> {
  return fromCaller(() => load(options));
}

async function load(options: LoadPairOptions): Promise<Pair> {
  const checked = checkLoadPairOptions(options);
  checked.signal?.throwIfAborted();
  const prefillPath = toPath(checked.prefill.model, "options.prefill.model");
  const decodePath = checked.decode && toPath(checked.decode.model, "options.decode.model");
  const binding = loadBinding();
  const { gpu, threads, modelAt } = chooseComputing(checked, prefillPath);

  const progress = guardCallback(options.onProgress, () => native.abortLoad());
  const native = binding.loadPair(
    {
      prefill: { ...modelAt(prefillPath, checked.prefill), adapters: toNativeAdapters("prefill", checked.prefill) },
      decode:
        checked.decode && decodePath !== undefined
          ? { ...modelAt(decodePath, checked.decode), adapters: toNativeAdapters("decode", checked.decode) }
          : undefined,
      ...toNativeCaches(checked),
      contextSize: checked.contextSize ?? 0,
      maxSessions: checked.maxSessions,
      maxWaiting: checked.queue?.maxWaiting ?? 64,
      batchSize: checked.batchSize,
      prefillShare: checked.prefillShare,
      threads,
      handover: checked.handover,
      implementation: checked.implementation,
    },
    (fraction) => progress.call?.({ fraction }),
  );
  try {
    const info = await abortable(
      checked.signal,
      () => native.abortLoad(),
      () => native.loaded,
    );
    progress.rethrow();
    // A small model may be there before the abort gets through.
    checked.signal?.throwIfAborted();
    return makePair(native, { ...info, gpu: gpu.kind }, checked.queue?.timeoutMs);
  } catch (error) {
    await native.dispose();
    progress.rethrow();
    throw error;
  }
}

/**
 * What one or two models are and whether they pair, without loading their weights. Rejects with the codes of a file and
 * with the loader's codes; two models that do not make a pair are an answer, not an error.
 */
export async function inspect(options: InspectOptions): Promise<PairInspection> {
  return fromCaller(() => inspectFiles(options));
}

const onlyLookedAt = (side: "prefill" | "decode", source: AdaptedSource) => ({
  path: toPath(source.model, `options.${side}.model`),
  gpuLayers: 0,
  mmap: false,
  adapters: toNativeAdapters(side, source),
});

async function inspectFiles(options: InspectOptions): Promise<PairInspection> {
  const checked = checkInspectOptions(options);
  const native = {
    prefill: onlyLookedAt("prefill", checked.prefill),
    decode: checked.decode && onlyLookedAt("decode", checked.decode),
    ...toNativeCaches(checked),
  };
  return runJob(() => loadBinding().inspect(native));
}
