/** What `overfill bench` does: measures with a progress bar, tells the report and writes it where it was asked for. */

import { demoPair, demoQuestions } from "../../../engine/index.js";
import { type BenchReport, bench } from "../../../eval/index.js";
import { checkOutputs, isStdout, writeOutput } from "../../outputs.js";
import { Progress } from "../../progress.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { type BenchFlags, toBenchOptions } from "./flags.js";
import { detailOf, renderBench } from "./render.js";

/** Short enough for what stands behind it on 80 columns. */
const barSize = 24;

export async function runBench(flags: BenchFlags): Promise<void> {
  const options = toBenchOptions(
    flags,
    demoPair,
    demoQuestions.map(({ prompt }) => prompt),
  );
  await checkOutputs([flags.out, flags.plot]);
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  try {
    const report = await bench({
      ...options,
      // Also with --quiet: data that is left out is never left out silently.
      onBadLine: ({ path, line, reason }) => progress.note(`${path}:${line}: ${reason}`),
      onProgress: (news) => {
        if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOf(news));
      },
      signal,
    });
    progress.stop();
    await writeFiles(flags, report, signal);
    if (flags.json) await write(process.stdout, `${toJson(report, 2)}\n`, signal);
    else if (!flags.quiet && ![flags.out, flags.plot].some(isStdout))
      await write(process.stdout, `${renderBench(visible(report))}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

async function writeFiles({ out, plot }: BenchFlags, report: BenchReport, signal: AbortSignal): Promise<void> {
  if (out !== undefined) await writeOutput(out, `${toJson(report, 2)}\n`, signal);
  if (plot === undefined) return;
  const { drawBench } = await import("./plot.js");
  await writeOutput(plot, drawBench(report), signal);
}
