/** What `overfill heal` does: trains with a progress bar, tells what happens on the way, and what came of it. */

import { existsSync } from "node:fs";
import { type AnswerPromptsOptions, answerPrompts } from "../../../eval/index.js";
import { estimateHeal, type HealOptions, type HealProgress, type HealResult, heal } from "../../../train/index.js";
import { checkHealOptions } from "../../../train/validation.js";
import { formatCount, formatSpeed } from "../../number-format.js";
import { checkOutputs, isStdout, writeOutput } from "../../outputs.js";
import { Progress } from "../../progress.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible, visibleText } from "../../visible.js";
import { type HealFlags, toHealAnswers, toHealOptions } from "./flags.js";
import { describeEvaluation, detailOf, RemainingTime, renderEstimate, renderHealed } from "./render.js";

/** Short enough for what stands behind it on 80 columns. */
const barSize = 16;

export async function runHeal(student: string | undefined, flags: HealFlags): Promise<void> {
  const options = toHealOptions(student, flags);
  const answering = toHealAnswers(flags);
  // Not after hours of answers.
  if (answering) checkHealOptions(options);
  // Now, not after hours of training.
  await checkOutputs([flags.plot]);
  // A checkpoint of a large model takes its time.
  const { signal, release } = listenForStop({ graceMs: Number.POSITIVE_INFINITY });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  const watch = new TrainingWatch(options, flags, progress, signal);
  try {
    if (flags.dryRun) {
      const estimate = await estimateHeal({ ...options, ...watch.callbacks, signal });
      progress.stop();
      const text = flags.json ? toJson(estimate, 2) : renderEstimate(estimate);
      if (flags.json || !flags.quiet) await write(process.stdout, `${text}\n`, signal);
      return;
    }
    if (answering) await watch.answer(answering);
    const result = await heal({ ...options, ...watch.callbacks, signal });
    progress.stop();
    if (flags.plot !== undefined) await plotLosses(flags.plot, result, studentOf(options), signal);
    if (flags.json) await write(process.stdout, `${toJson(result, 2)}\n`, signal);
    else if (!flags.quiet && !isStdout(flags.plot))
      await write(process.stdout, `${renderHealed(visible(result), visible(options))}\n`, signal);
  } catch (error) {
    if (signal.aborted && !flags.quiet) await write(process.stderr, `${visibleText(watch.describeStop())}\n`);
    throw error;
  } finally {
    progress.stop();
    release();
  }
}

/** The student as the user named it. */
function studentOf({ student }: HealOptions): string {
  return String(typeof student === "string" || student instanceof URL ? student : student.model);
}

async function plotLosses(file: string, result: HealResult, student: string, signal: AbortSignal): Promise<void> {
  const { drawLosses } = await import("./plot.js");
  await writeOutput(file, drawLosses(result, student), signal);
}

/** Shows the news of a training on stderr. */
class TrainingWatch {
  readonly #remaining = new RemainingTime();
  #step = 0;
  #steps = 0;
  /** Whether the full model writes responses. */
  #isAnswering = false;

  constructor(
    readonly options: HealOptions,
    readonly flags: HealFlags,
    readonly progress: Progress,
    readonly signal: AbortSignal,
  ) {}

  get callbacks(): Required<Pick<HealOptions, "onProgress" | "onBadLine" | "onEvaluation">> {
    return {
      onProgress: (news) => this.#onProgress(news),
      // Also with --quiet: data that is left out is never left out silently.
      onBadLine: ({ path, line, reason }) => this.progress.note(`${path}:${line}: ${reason}`),
      onEvaluation: (evaluation) => {
        if (!this.flags.quiet) this.progress.note(describeEvaluation(evaluation, String(this.options.evalData)));
      },
    };
  }

  /** Has the full model write the responses. Rejects with what {@link answerPrompts} rejects with. */
  async answer(options: AnswerPromptsOptions): Promise<void> {
    this.#isAnswering = true;
    const { kept } = await answerPrompts({
      ...options,
      onBadLine: this.callbacks.onBadLine,
      onProgress: ({ stage, fraction, prompts, totalPrompts, tokensPerSecond }) => {
        const place = `${formatCount(prompts)}/${formatCount(totalPrompts)}, ${formatSpeed(tokensPerSecond)}`;
        if (!this.signal.aborted) this.progress.update(stage, fraction, 1, stage === "loading" ? "" : place);
      },
      signal: this.signal,
    });
    this.#isAnswering = false;
    if (!this.flags.quiet) this.progress.note(`${formatCount(kept)} responses are in ${options.out}`);
  }

  #onProgress(news: HealProgress): void {
    const { stage, fraction, step, steps } = news;
    this.#step = step;
    this.#steps = steps;
    const remainingMs = stage === "training" ? this.#remaining.estimate(step, steps) : undefined;
    if (!this.signal.aborted) this.progress.update(stage, fraction, 1, detailOf(news, remainingMs));
  }

  /** Where an interrupted training stopped, and how to go on. */
  describeStop(): string {
    const at =
      this.#step > 0 ? `at step ${formatCount(this.#step)} of ${formatCount(this.#steps)}` : "before its first step";
    const checkpoint = String(this.options.checkpoint ?? `${this.options.out}.checkpoint`);
    if (this.#isAnswering)
      return "Stopped before the training. The same command with --resume goes on with the responses.";
    if (!existsSync(checkpoint)) return `Stopped ${at}.`;
    return `Stopped ${at}. The same command with --resume goes on from ${checkpoint}.`;
  }
}
