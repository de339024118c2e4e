/** Waits for a pair's load, with its progress and aborts, whatever opens it. */

import { abortable, guardCallback } from "../internal/abortable.js";
import type { NativePairInfo } from "../internal/binding-types.js";
import type { OpenedPair } from "./open-native-pair.js";
import type { LoadPairOptions } from "./options.js";
import { type Pair, wrapPair } from "./pair.js";
import type { PairInfo } from "./results.js";
import type { AskedPair } from "./writer-validation.js";

/** Loads a pair by whatever opens it: the addon, or a host that has one. */
export async function loadBy(
  open: (asked: AskedPair, onProgress: (fraction: number) => void) => OpenedPair,
  asked: AskedPair,
  onProgress: LoadPairOptions["onProgress"],
): Promise<Pair> {
  const { signal, queue } = asked.checked;
  const progress = guardCallback(onProgress, () => native.abortLoad());
  const { native, loaded } = open(asked, (fraction) => progress.call?.({ fraction }));
  try {
    const info = await abortable(
      signal,
      () => native.abortLoad(),
      () => loaded,
    );
    progress.rethrow();
    // A small model may be there before the abort gets through.
    signal?.throwIfAborted();
    return wrapPair(native, { ...info, writers: byName(info.writers) }, queue?.timeoutMs);
  } catch (error) {
    await native.dispose();
    progress.rethrow();
    throw error;
  }
}

const byName = (writers: NativePairInfo["writers"]): PairInfo["writers"] =>
  Object.fromEntries(writers.map(({ name, ...writer }) => [name, writer]));
