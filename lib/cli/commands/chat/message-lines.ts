/** Where messages come from: a line editor on a terminal, or the lines of a pipe or a file. */

import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { styleOf } from "../../terminal.js";

/** Lines that can be fetched back with the arrow keys. */
const historySize = 500;

/** The terminal as the line editor sees it: what it draws while an answer is written is drawn later. */
class EditorScreen extends Writable {
  isMuted = true;

  constructor() {
    super({ decodeStrings: false });
    process.stdout.on("resize", this.#onResize);
  }

  get columns(): number {
    return process.stdout.columns;
  }

  override _write(chunk: string, _encoding: BufferEncoding, done: () => void): void {
    if (!this.isMuted) process.stdout.write(chunk);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    process.stdout.off("resize", this.#onResize);
    done(error);
  }

  readonly #onResize = () => this.emit("resize");
}

export class MessageLines implements Disposable {
  /** Whether somebody types. */
  readonly isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  readonly #editor: Interface;
  readonly #screen: EditorScreen | undefined;
  /** Lines that came before they were asked for. */
  readonly #early: string[] = [];
  #hasEnded = false;
  #wake = () => {};

  /** @param onInterrupt Ctrl-C on a terminal whose keys are read one by one */
  constructor(onInterrupt: () => void) {
    this.#screen = this.isTerminal ? new EditorScreen() : undefined;
    this.#editor = createInterface({
      input: process.stdin,
      ...(this.#screen && { output: this.#screen }),
      terminal: this.isTerminal,
      prompt: styleOf(process.stdout)("bold", "> "),
      historySize,
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    this.#editor.on("SIGINT", onInterrupt);
    this.#editor.on("line", (line) => {
      // What else was pasted is shown when its turn has come.
      if (this.#screen) this.#screen.isMuted = true;
      this.#early.push(line);
      this.#wake();
    });
    this.#editor.on("close", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** The next line; undefined at the end of the input, or after Ctrl-D. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<string | undefined> {
    const onAbort = () => this.#wake();
    signal.addEventListener("abort", onAbort);
    try {
      if (this.#screen && !this.#hasEnded) {
        this.#screen.isMuted = false;
        if (this.#early.length > 0) process.stdout.write(`${this.#editor.getPrompt()}${this.#early[0]}\n`);
        else this.#editor.prompt(true);
      }
      while (this.#early.length === 0 && !this.#hasEnded && !signal.aborted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      // The prompt stands there still: what comes next begins a line.
      if (this.#screen && !this.#screen.isMuted && this.#early.length === 0) process.stdout.write("\n");
      signal.throwIfAborted();
      return this.#early.shift();
    } finally {
      if (this.#screen) this.#screen.isMuted = true;
      signal.removeEventListener("abort", onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#editor.close();
    this.#screen?.destroy();
    // An open pipe would keep the process alive.
    process.stdin.destroy();
  }
}
