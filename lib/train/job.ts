/** Waits for a native training: its news to the caller's callbacks, its abort by a signal. */

import { abortable, guardCallback } from "../internal/abortable.js";
import type { NativeHealEvents, NativeHealProgress, NativeJob } from "../internal/binding-types.js";
import type { HealOptions, HealProgress } from "./options.js";

/** By the native side's index. */
const stages = ["loading", "training", "evaluating", "writing"] as const;

function toProgress({ stage, ...news }: NativeHealProgress): HealProgress {
  return { stage: stages[stage] ?? "loading", ...news };
}

/**
 * Starts a training and gives what it answers. Rejects with the signal's reason once that fires and the training has
 * ended, and with what a callback throws, which stops it as well.
 */
export async function runTraining<Result>(
  start: (events: NativeHealEvents) => NativeJob<Result>,
  {
    onProgress,
    onBadLine,
    onEvaluation,
    signal,
  }: { [Name in "onProgress" | "onBadLine" | "onEvaluation" | "signal"]?: HealOptions[Name] | undefined },
): Promise<Result> {
  signal?.throwIfAborted();
  const stop = () => job.abort();
  const progress = guardCallback(onProgress, stop);
  const badLine = guardCallback(onBadLine, stop);
  const evaluation = guardCallback(onEvaluation, stop);
  const job = start({
    onProgress: (news) => progress.call?.(toProgress(news)),
    onBadLine: ({ path, line, reason }) => badLine.call?.({ path, line, reason }),
    onEvaluation: ({ step, loss }) => evaluation.call?.({ step, loss }),
  });
  try {
    return await abortable(signal, stop, () => job.finished);
  } finally {
    for (const { rethrow } of [progress, badLine, evaluation]) rethrow();
  }
}
