/** A process of which everything is expected, from outside: what it answers, or how it ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What became of a process that did not answer. */
export interface Loss {
  readonly kind: "died" | "hung";
  readonly error: string;
}

export interface WatchedProgram {
  /** A TypeScript module, which answers each message by one of its own. */
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called before each start. */
  readonly onStart?: () => void;
  /** No answer for so long is a hang. */
  readonly hangMs: number;
  /** Of a process's own memory: one that wants more is refused it by the system. */
  readonly memoryBytes: number;
}

const keptLines = 30;

/** One process after the other; each starts with a request, the next one after a request that it did not survive. */
export class WatchedProcess<Request extends object, Answer> {
  #child: ChildProcess | undefined;
  #lines: string[] = [];

  constructor(readonly program: WatchedProgram) {}

  async ask(request: Request): Promise<Answer | Loss> {
    this.#child ??= this.#start();
    const child = this.#child;
    this.#lines = [];
    return new Promise((resolve) => {
      let hung = false;
      const settle = (outcome: Answer | Loss) => {
        clearTimeout(timer);
        child.off("message", onMessage);
        child.off("close", onClose);
        resolve(outcome);
      };
      const lost = (kind: Loss["kind"], how: string) => {
        this.#child = undefined;
        settle({ kind, error: [how, ...this.#lines].join("\n") });
      };
      const onMessage = (answer: unknown) => settle(answer as Answer);
      const onClose = (code: number | null, signal: string | null) =>
        hung ? lost("hung", `no answer for ${this.program.hangMs} ms`) : lost("died", `ended with ${signal ?? code}`);
      const timer = setTimeout(() => {
        hung = true;
        child.off("message", onMessage);
        child.kill("SIGKILL");
      }, this.program.hangMs);
      child.on("message", onMessage);
      child.on("close", onClose);
      child.send(request);
    });
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await closed;
  }

  #start(): ChildProcess {
    const { path, args, env, onStart, memoryBytes } = this.program;
    onStart?.();
    const node = [process.execPath, "--import=tsx", path, ...args];
    const limits = `ulimit -c 0; ulimit -d ${Math.floor(memoryBytes / 1024)}; exec "$0" "$@"`;
    // A sanitizer has terabytes of addresses for itself.
    const isLimited = process.platform === "linux" && process.env.ASAN_OPTIONS === undefined;
    const [command = "", ...rest] = isLimited ? ["sh", "-c", limits, ...node] : node;
    const child = spawn(command, rest, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...env },
    });
    for (const stream of [child.stdout, child.stderr])
      if (stream)
        createInterface({ input: stream }).on("line", (line) => {
          this.#lines.push(line);
          if (this.#lines.length > keptLines) this.#lines.shift();
        });
    return child;
  }
}
