/** Loads a pair, and looks at files without loading them. */

import { abortable, runJob } from "../internal/abortable.js";
import type { NativeModelOptions } from "../internal/binding-types.js";
import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { loadBinding } from "../internal/load-binding.js";
import { loadBy } from "./load-by.js";
import { toNativeAdapters, toNativeCaches, toNativeWriter } from "./native-sides.js";
import { openNativePair } from "./open-native-pair.js";
import type { InspectOptions, LoadPairOptions } from "./options.js";
import type { Pair } from "./pair.js";
import { isFolder, type PairFolderOptions, withFolder } from "./pair-folder.js";
import { needsLink, openLink } from "./pair-link.js";
import { refuseRemote } from "./remote-validation.js";
import type { PairInspection } from "./results.js";
import { checkInspectOptions } from "./validation.js";
import { type AskedPair, checkPair, refuseNamedWriters } from "./writer-validation.js";
import { onlyWriter } from "./writers.js";

/**
 * Loads the pair of a folder that {@link makePair} has made, or that has an `overfill.json` of its own.
 *
 * Rejects with what {@link loadPair} and {@link readPairFolder} reject with.
 */
export async function loadPair(folder: string | URL, options?: PairFolderOptions): Promise<Pair>;
/**
 * Loads two GGUF models as a pair, or a prefill model with several decode models. Works off the JavaScript thread.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED or ERR_MODEL_LOAD_FAILED for a
 *   file, be it a model's or an adapter's; ERR_ADAPTER_MISMATCH for an adapter of another model;
 * - ERR_PAIR_INCOMPATIBLE, with every reason, for two models that do not make a pair; ERR_HANDOVER_UNAVAILABLE for a pair whose
 *   cache cannot be handed over in the way asked for, or not without a translator;
 * - ERR_TRANSLATOR_INVALID or ERR_TRANSLATOR_MISMATCH for a translator that is broken or made for other models;
 * - ERR_FILE_WRITE_FAILED for a `directory` of the prefix cache that cannot be made or written into;
 * - ERR_GPU_UNAVAILABLE for a device that was asked for by name; ERR_OUT_OF_MEMORY;
 * - ERR_REMOTE_NEEDS_HOST for remote devices ({@link RemoteOptions.inProcess}); ERR_REMOTE_UNREACHABLE, ERR_REMOTE_TIMEOUT,
 *   ERR_REMOTE_REFUSED, ERR_REMOTE_INCOMPATIBLE or ERR_REMOTE_KEY_INVALID for a server; ERR_REMOTE_MISMATCH for a prefill
 *   server ({@link PrefillService}) whose cells are none for the decode model;
 * - the loader's codes (ERR_PLATFORM_PACKAGE_MISSING, ...) if the native part cannot be loaded;
 * - `signal.reason` when aborted.
 *
 * Where decode models have names, the message says whose error it is. Nothing stays loaded after a rejection.
 */
export async function loadPair(options: LoadPairOptions): Promise<Pair>;
export async function loadPair(asked: LoadPairOptions | string | URL, beside?: PairFolderOptions): Promise<Pair> {
  return fromCaller(async () => load(isFolder(asked) ? await withFolder(asked, beside) : asked));
}

async function load(options: LoadPairOptions): Promise<Pair> {
  const asked = checkPair(options);
  const { prefill, remote, signal } = asked.checked;
  signal?.throwIfAborted();
  refuseRemote(prefill, remote);
  // Where all is here the load begins at once: nothing is waited for in which it could be aborted.
  const link = needsLink(asked) ? await linkWith(asked, signal) : undefined;
  try {
    signal?.throwIfAborted();
    return await loadBy((_, onProgress) => openNativePair(asked, onProgress, link), asked, options.onProgress);
  } catch (error) {
    await link?.close();
    throw error;
  }
}

function linkWith(asked: AskedPair, signal: AbortSignal | undefined) {
  const linking = new AbortController();
  return abortable(
    signal,
    () => linking.abort(),
    () => openLink(asked, linking.signal),
  );
}

/**
 * What one or two models are and whether they pair, without loading their weights. Rejects with the codes of a file and
 * with the loader's codes; two models that do not make a pair are an answer, not an error.
 */
export async function inspect(options: InspectOptions): Promise<PairInspection> {
  return fromCaller(() => inspectFiles(options));
}

const lookedAt = (path: string): NativeModelOptions => ({ path, gpuLayers: 0, mmap: false, kernels: false });

async function inspectFiles(options: InspectOptions): Promise<PairInspection> {
  refuseNamedWriters(options?.decode);
  const checked = checkInspectOptions(options);
  const { prefill, decode, translator } = checked;
  const writer = decode && { name: onlyWriter, parameter: "options.decode", source: decode, translator };
  const native = {
    prefill: {
      ...lookedAt(toPath(prefill.model, "options.prefill.model")),
      adapters: toNativeAdapters("options.prefill", prefill),
    },
    writers: writer ? [toNativeWriter(writer, lookedAt)] : [],
    ...toNativeCaches(checked),
  };
  return runJob(() => loadBinding().inspect(native));
}
