/** What `overfill make` does: makes a pair with a progress bar, or tells what that would take. */

import { type MakePairOptions, makePair, planPair } from "../../../make/index.js";
import { Progress } from "../../progress.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible, visibleText } from "../../visible.js";
import { type MakeFlags, toMakeOptions } from "./flags.js";
import { describeUnmade, detailOfMaking, renderMade, renderPlan, stageOfMaking } from "./render.js";

/** Short enough for what stands behind it on 80 columns. */
const barSize = 16;

export async function runMake(model: string, flags: MakeFlags): Promise<void> {
  const asked = toMakeOptions(model, flags);
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  let stage = "";
  const options: MakePairOptions = {
    ...asked,
    // Also with --quiet: data that is left out is never left out silently.
    onBadLine: ({ path, line, reason }) => progress.note(`${path}:${line}: ${reason}`),
    onProgress: (news) => {
      stage = stageOfMaking(news);
      if (!signal.aborted) progress.update(stage, news.fraction, 1, detailOfMaking(news));
    },
    signal,
  };
  try {
    const told = flags.dryRun
      ? await planPair(options).then((plan) => [plan, renderPlan(visible(plan))] as const)
      : await makePair(options).then((pair) => [pair, renderMade(visible(pair), visibleText(flags.out))] as const);
    progress.stop();
    if (flags.json) await write(process.stdout, `${toJson(told[0], 2)}\n`, signal);
    else if (!flags.quiet) await write(process.stdout, `${told[1]}\n`, signal);
  } catch (error) {
    if (signal.aborted && !flags.quiet && stage !== "" && !flags.dryRun)
      await write(process.stderr, `${describeUnmade(stage)}\n`);
    throw error;
  } finally {
    progress.stop();
    release();
  }
}
