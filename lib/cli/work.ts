/** Runs the long work of a command: a progress bar, Ctrl-C, and the result on stdout as text or JSON. */

import type { PruneProgress } from "../prune/index.js";
import { formatCount } from "./number-format.js";
import { Progress } from "./progress.js";
import { graceOfFiles, listenForStop } from "./stop-signals.js";
import { write } from "./terminal.js";
import { toJson, visible } from "./visible.js";

export interface WorkFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

/** How the API tells of progress and is stopped. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly onProgress: (news: PruneProgress) => void;
}

/** @param render the result for people to read */
export async function runWork<Result>(
  flags: WorkFlags,
  work: (watch: Watch) => Promise<Result>,
  render: (result: Result) => string,
): Promise<void> {
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  try {
    const onProgress = (news: PruneProgress) => {
      if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOf(news));
    };
    const result = await work({ signal, onProgress });
    progress.stop();
    if (flags.quiet && !flags.json) return;
    const text = flags.json ? toJson(result, 2) : render(visible(result));
    await write(process.stdout, `${text}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

/** What stands behind the bar. */
export function detailOf({ stage, tokens }: PruneProgress): string {
  return stage === "calibrating" ? `${formatCount(tokens)} tokens` : "";
}
