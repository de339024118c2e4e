/** A command that is talked to: what it has said so far is waited for, piece by piece. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { type CommandOptions, main, startCommand } from "./command-process.js";

/** Whether there can be a terminal: it is made by `script` from util-linux. */
export const hasTerminal = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** What a stream has said, and who waits for more. */
class Heard {
  text = "";
  #taken = 0;
  #hasEnded = false;
  #wake = () => {};

  constructor(stream: Readable) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    stream.on("end", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Waits until a text has come behind the one that was waited for last. */
  async until(text: string): Promise<void> {
    while (true) {
      const at = this.text.indexOf(text, this.#taken);
      if (at >= 0) {
        this.#taken = at + text.length;
        return;
      }
      if (this.#hasEnded) throw new Error(`it never said ${JSON.stringify(text)}, but ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export class ConversationProcess {
  readonly out: Heard;
  readonly err: Heard;
  readonly #closed: Promise<unknown[]>;

  constructor(readonly child: ChildProcess) {
    if (!child.stdout || !child.stderr) throw new Error("the child has no pipes");
    this.out = new Heard(child.stdout);
    this.err = new Heard(child.stderr);
    this.#closed = once(child, "close");
  }

  static start(args: readonly string[], options: CommandOptions = {}): ConversationProcess {
    return new ConversationProcess(startCommand(args, { stdin: "silent", ...options }));
  }

  /** The command on a terminal. All that it draws comes through `out`. */
  static onTerminal(args: readonly string[]): ConversationProcess {
    const command = [process.execPath, main, ...args].map((word) => `'${word}'`).join(" ");
    return new ConversationProcess(spawn("script", ["-qec", command, "/dev/null"], { stdio: "pipe" }));
  }

  /** What somebody types, or a program writes. */
  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Waits for the end. */
  async finish(): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: unknown }> {
    const [exitCode] = await this.#closed;
    return { stdout: this.out.text, stderr: this.err.text, exitCode };
  }
}
