/** What `overfill answer` does: writes answers with a progress bar, and tells what was kept of them. */

import { answerPrompts } from "../../../eval/index.js";
import { Progress } from "../../progress.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible, visibleText } from "../../visible.js";
import { type AnswerFlags, toAnswerOptions } from "./flags.js";
import { describeStop, detailOfAnswers, renderAnswers } from "./render.js";

/** Short enough for what stands behind it on 80 columns. */
const barSize = 24;

export async function runAnswer(flags: AnswerFlags): Promise<void> {
  const options = toAnswerOptions(flags);
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  let done = 0;
  let total = 0;
  try {
    const result = await answerPrompts({
      ...options,
      // Also with --quiet: data that is left out is never left out silently.
      onBadLine: ({ path, line, reason }) => progress.note(`${path}:${line}: ${reason}`),
      onProgress: (news) => {
        if (news.stage === "answering") [done, total] = [news.prompts, news.totalPrompts];
        if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOfAnswers(news));
      },
      signal,
    });
    progress.stop();
    if (flags.json) await write(process.stdout, `${toJson(result, 2)}\n`, signal);
    else if (!flags.quiet) await write(process.stdout, `${renderAnswers(visible(result), flags.maxTokens)}\n`, signal);
  } catch (error) {
    if (signal.aborted && !flags.quiet && total > 0)
      await write(process.stderr, `${visibleText(describeStop(done, total, flags.out))}\n`);
    throw error;
  } finally {
    progress.stop();
    release();
  }
}
