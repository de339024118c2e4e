/** What a chat writes: the answers' text to stdout, what the model does beside it to stderr, dimmed, on lines of its own. */

import { isOneOutput, styleOf, write } from "./terminal.js";
import { visibleLines, visibleText } from "./visible.js";

export interface TranscriptOptions {
  /** No reasoning and no notes. */
  readonly quiet: boolean;
  /** Whether a line that the text leaves open is ended where nobody but a program reads it, too. */
  readonly endsLines: boolean;
}

export class Transcript {
  readonly #options: TranscriptOptions;
  readonly #style = styleOf(process.stderr);
  /** Whether the last line on that stream has no end yet. */
  readonly #open = { stdout: false, stderr: false };

  constructor(options: TranscriptOptions) {
    this.#options = options;
  }

  /** More of an answer: exactly what came, but on a terminal without control characters. */
  async text(text: string, signal?: AbortSignal): Promise<void> {
    if (text === "") return;
    this.#leave("stderr");
    this.#open.stdout = !text.endsWith("\n");
    await write(process.stdout, process.stdout.isTTY ? visibleLines(text) : text, signal);
  }

  /** More of what the model thinks. */
  async reasoning(text: string, signal?: AbortSignal): Promise<void> {
    if (text === "" || this.#options.quiet) return;
    this.#leave("stdout");
    this.#open.stderr = !text.endsWith("\n");
    await write(process.stderr, this.#style("dim", visibleLines(text)), signal);
  }

  /** A line about the answer. */
  async note(line: string, signal?: AbortSignal): Promise<void> {
    if (!this.#options.quiet) await this.say(this.#style("dim", visibleText(line)), signal);
  }

  /** Lines that were asked for, which are harmless already. */
  async say(lines: string, signal?: AbortSignal): Promise<void> {
    this.#leave("stdout");
    this.#leave("stderr");
    await write(process.stderr, `${lines}\n`, signal);
  }

  /** Ends what is open. */
  endLine(): void {
    this.#leave("stderr");
    if (this.#open.stdout && this.#options.endsLines && !process.stdout.isTTY) process.stdout.write("\n");
    else this.#leave("stdout");
    this.#open.stdout = false;
  }

  /** Before something is written to the other stream: the two may be one place. */
  #leave(stream: "stdout" | "stderr"): void {
    if (!this.#open[stream]) return;
    if (stream === "stderr" || isOneOutput()) process.stderr.write("\n");
    else if (process.stdout.isTTY) process.stdout.write("\n");
    // Elsewhere the text goes on where it was.
    else return;
    this.#open[stream] = false;
  }
}
