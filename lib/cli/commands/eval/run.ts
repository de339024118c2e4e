/** What `overfill eval` does: evaluates with a progress bar, tells the report and writes it where it was asked for. */

import { open } from "node:fs/promises";
import { type EvaluationReport, type ExampleResult, evaluate } from "../../../eval/index.js";
import { checkFolderOf, FileFault, writeText } from "../../files.js";
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
  for (const file of [flags.out, flags.plot, flags.samples]) if (file !== undefined) await checkFolderOf(file);
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  const progress = await Progress.open(flags.progress && !flags.quiet, barSize);
  // At once: a second Ctrl-C may leave no time later.
  signal.addEventListener("abort", () => progress.stop());
  const samples = flags.samples === undefined ? undefined : await SampleFile.create(flags.samples);
  try {
    const report = await evaluate({
      ...options,
      ...(samples && { onExample: (result) => samples.add(result) }),
      // Also with --quiet: data that is left out is never left out silently.
      onBadLine: ({ path, line, reason }) => progress.note(`${path}:${line}: ${reason}`),
      onProgress: (news) => {
        if (!signal.aborted) progress.update(news.stage, news.fraction, 1, detailOf(news));
      },
      signal,
    });
    progress.stop();
    await samples?.close();
    await writeFiles(flags, report);
    if (flags.json) await write(process.stdout, `${toJson(report, 2)}\n`, signal);
    else if (!flags.quiet) await write(process.stdout, `${renderReport(visible(report))}\n`, signal);
  } finally {
    progress.stop();
    await samples?.close();
    release();
  }
}

async function writeFiles({ out, plot }: EvalFlags, report: EvaluationReport): Promise<void> {
  if (out !== undefined) await writeText(out, `${JSON.stringify(report, undefined, 2)}\n`);
  if (plot === undefined) return;
  const { drawReport } = await import("./plot.js");
  await writeText(plot, drawReport(report));
}

/** A file that gets a line for each result, in the order of the results. */
class SampleFile {
  readonly #file: Awaited<ReturnType<typeof open>>;
  #written: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(file: Awaited<ReturnType<typeof open>>) {
    this.#file = file;
  }

  static async create(path: string): Promise<SampleFile> {
    const file = await open(path, "w").catch((error) => {
      throw new FileFault(path, "written", error);
    });
    return new SampleFile(file);
  }

  add(result: ExampleResult): void {
    this.#written = this.#written.then(() => this.#file.appendFile(`${JSON.stringify(result)}\n`));
    // Told by `close`, which waits for all of them; until then it is handled.
    this.#written.catch(() => {});
  }

  /** Rejects with what kept a line from being written, the first time. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#written;
    } finally {
      await this.#file.close();
    }
  }
}
