/** Waits for native work of this room: its progress by name, its abort by a signal. */

import { abortable, guardCallback } from "../internal/abortable.js";
import type { NativeJob, NativePruneProgress } from "../internal/binding-types.js";
import type { PruneProgress } from "./options.js";

/** By the native side's index. */
const stages = ["loading", "calibrating", "writing", "measuring"] as const;

/**
 * Starts a job and gives what it answers. Rejects with the signal's reason once that fires, and with what `onProgress`
 * throws, which stops the job.
 */
export async function runJob<Result>(
  start: (onProgress: NativePruneProgress) => NativeJob<Result>,
  {
    onProgress,
    signal,
  }: { onProgress?: ((news: PruneProgress) => void) | undefined; signal?: AbortSignal | undefined },
): Promise<Result> {
  signal?.throwIfAborted();
  const progress = guardCallback(onProgress, () => job.abort());
  const job = start((stage, fraction, tokens) =>
    progress.call?.({ stage: stages[stage] ?? "loading", fraction, tokens }),
  );
  try {
    return await abortable(
      signal,
      () => job.abort(),
      () => job.finished,
    );
  } finally {
    progress.rethrow();
  }
}
