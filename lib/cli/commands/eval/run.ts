/** What `overfill eval` does: evaluates with a progress bar, tells the report and writes it where it was asked for. */

import { type EvaluationReport, evaluate } from "../../../eval/index.js";
import { checkOutputs, isStdout, LineOutput, writeOutput } from "../../outputs.js";
import { Progress } from "../../progress.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { type EvalFlags, toEvaluateOptions } from "./flags.js";
import { detailOf, renderReport } from "./render.js";

/** Short enough for what stands behind it on 80 columns. */
const barSize = 24;

export async function runEval(flags: EvalFlags): Promise<void> {
  const options = toEvaluateOptions(flags);
  // Now, not after hours of evaluation.
  await checkOutputs([flags.out, flags.plot]);
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  const samples = flags.samples === undefined ? undefined : await LineOutput.create(flags.samples);
  try {
    const report = await evaluate({
      ...options,
      ...(samples && { onExample: (result) => samples.add(toJson(result)) }),
      // Also with --quiet: data that is left out is never left out silently.
      onBadLine: ({ path, line, reason }) => progress.note(`${path}:${line}: ${reason}`),
      onProgress: (news) => {
        if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOf(news));
      },
      signal,
    });
    progress.stop();
    await samples?.close();
    await writeFiles(flags, report, signal);
    if (flags.json) await write(process.stdout, `${toJson(report, 2)}\n`, signal);
    else if (!flags.quiet && ![flags.out, flags.plot, flags.samples].some(isStdout))
      await write(process.stdout, `${renderReport(visible(report))}\n`, signal);
  } finally {
    progress.stop();
    await samples?.close();
    release();
  }
}

async function writeFiles({ out, plot }: EvalFlags, report: EvaluationReport, signal: AbortSignal): Promise<void> {
  if (out !== undefined) await writeOutput(out, `${toJson(report, 2)}\n`, signal);
  if (plot === undefined) return;
  const { drawReport } = await import("./plot.js");
  await writeOutput(plot, drawReport(report), signal);
}
