/** A progress bar on stderr for the slow stages. It exists only on a terminal, and only if a stage takes a while. */

import type { SingleBar } from "cli-progress";
import { columnsOf } from "./terminal.js";
import { visibleText } from "./visible.js";

/** Short work shows no bar: it would only flicker. */
const showAfterMs = 200;

export class Progress {
  readonly #makeBar: (() => SingleBar) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #bar: SingleBar | undefined;
  #latest = { stage: "", done: 0, total: 1, detail: "" };

  private constructor(makeBar: (() => SingleBar) | undefined) {
    this.#makeBar = makeBar;
  }

  /**
   * @param wanted false for a progress that shows nothing; so does one without a terminal
   * @param barSize columns of the bar; what stands behind it is cut at the terminal's edge
   */
  static async open(wanted: boolean, barSize = 40): Promise<Progress> {
    if (!wanted || !process.stderr.isTTY) return new Progress(undefined);
    const { default: cliProgress } = await import("cli-progress");
    const options = {
      stream: process.stderr,
      format: "{stage} [{bar}] {percentage}% {detail}",
      clearOnComplete: true,
      barsize: Math.min(barSize, Math.floor(columnsOf(process.stderr) / 4)),
    };
    return new Progress(() => new cliProgress.SingleBar(options, cliProgress.Presets.rect));
  }

  /** @param detail what stands behind the bar, such as a count */
  update(stage: string, done: number, total: number, detail = ""): void {
    this.#latest = { stage, done, total, detail: visibleText(detail) };
    if (this.#bar) this.#draw(this.#bar);
    else if (this.#makeBar) this.#timer ??= setTimeout(() => this.#show(), showAfterMs);
  }

  /** Writes a line to stderr instead of the bar, which comes back below it with the next update. */
  note(line: string): void {
    this.stop();
    process.stderr.write(`${visibleText(line)}\n`);
  }

  /** Takes the bar away and leaves the terminal as it was. Idempotent. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #show(): void {
    const bar = this.#makeBar?.();
    if (!bar) return;
    this.#bar = bar;
    const { stage, done, total, detail } = this.#latest;
    bar.start(total, done, { stage, detail });
  }

  #draw(bar: SingleBar): void {
    const { stage, done, total, detail } = this.#latest;
    bar.setTotal(total);
    bar.update(done, { stage, detail });
  }
}
