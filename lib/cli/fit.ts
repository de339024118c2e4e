/** What `overfill fit` does: fits with a progress bar, and tells how well it went. */

import { type FitProgress, fitTranslator, type TranslatorFit } from "../engine/index.js";
import { type FitFlags, toFitOptions } from "./fit-command.js";
import { formatBytes, formatCount, formatMs } from "./number-format.js";
import { Progress } from "./progress.js";
import { listenForStop } from "./stop-signals.js";
import { write } from "./terminal.js";
import { renderLayers, renderLosses } from "./translator-tables.js";

export async function runFit(flags: FitFlags): Promise<void> {
  const { signal, release } = listenForStop();
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
    if (flags.json) await write(process.stdout, `${JSON.stringify(result, undefined, 2)}\n`, signal);
    else if (!flags.quiet) await write(process.stdout, `${render(result)}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

function detailOf({ stage, tokens }: FitProgress): string {
  return stage === "reading" ? `${formatCount(tokens)} tokens` : "";
}

const advice = "The maps do not lower the loss. More text of the right kind may help, or a larger --lambda.";

function render(result: TranslatorFit): string {
  const { fitTokens, heldOutTokens, path, sizeBytes, ms, loss } = result;
  const read = `Fitted to ${formatCount(fitTokens)} tokens, measured on ${formatCount(heldOutTokens)} others.`;
  const parts = [`${read}\n${renderLayers(result)}`];
  if (loss) parts.push(loss.mapped < loss.unmapped ? renderLosses(loss) : `${renderLosses(loss)}\n${advice}`);
  parts.push(`${path}: ${formatBytes(sizeBytes)}, in ${formatMs(ms)}`);
  return parts.join("\n\n");
}
