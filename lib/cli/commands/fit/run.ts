/** What `overfill fit` does: fits with a progress bar, and tells how well it went. */

import { type FitProgress, fitTranslator } from "../../../engine/index.js";
import { formatCount } from "../../number-format.js";
import { Progress } from "../../progress.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { type FitFlags, toFitOptions } from "./flags.js";
import { renderFit } from "./render.js";

export async function runFit(flags: FitFlags): Promise<void> {
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  try {
    const result = await fitTranslator({
      ...toFitOptions(flags),
      signal,
      onProgress: (news) => {
        if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOf(news));
      },
    });
    progress.stop();
    if (flags.json) await write(process.stdout, `${toJson(result, 2)}\n`, signal);
    else if (!flags.quiet) await write(process.stdout, `${renderFit(visible(result))}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

function detailOf({ stage, tokens }: FitProgress): string {
  return stage === "reading" ? `${formatCount(tokens)} tokens` : "";
}
