/** A process that is asked by messages, and that may be paused and killed meanwhile. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { LostAnswer, LostRequest } from "./messages.js";

/** The process ended before it answered. */
export class ProcessEnded extends Error {}

export class ControlledProcess {
  readonly #path: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(path: string, args: readonly string[]) {
    this.#path = path;
    this.#args = args;
  }

  get isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with its first message. `args` come behind its own. */
  async start(...args: readonly string[]): Promise<LostAnswer> {
    const child = fork(this.#path, [...this.#args, ...args], { execArgv: ["--import=tsx"], stdio: "inherit" });
    this.#child = child;
    return this.#next(child);
  }

  /** One question at a time. Rejects with ProcessEnded. */
  async ask(request: LostRequest): Promise<LostAnswer> {
    const child = this.#child;
    if (!child || !this.isAlive) throw new ProcessEnded("it has ended");
    const answer = this.#next(child);
    // To a process that ends at this moment nothing can be sent; that it has ended is heard of besides.
    child.send(request, () => {});
    return answer;
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || !this.isAlive) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  #next(child: ChildProcess): Promise<LostAnswer> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: unknown) => {
        child.off("exit", onExit);
        resolve(answer as LostAnswer);
      };
      const onExit = (code: number | null, signal: string | null) => {
        child.off("message", onMessage);
        reject(new ProcessEnded(`it ended with ${signal ?? code}`));
      };
      child.once("message", onMessage);
      child.once("exit", onExit);
    });
  }
}
