/**
 * Work in a process of its own, asked for by messages: no contestant shares a heap, a thread pool or a library with
 * another one. A process module calls {@link serve}; the benchmark starts it with {@link startProcess}.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** Requests are plain data; each gets one answer. */
export type Handler<Request, Answer> = (request: Request) => Promise<Answer>;

type Message<Answer> = { readonly answer: Answer } | { readonly error: string };

export interface RemoteProcess<Request, Answer> {
  readonly pid: number;
  ask(request: Request): Promise<Answer>;
  close(): Promise<void>;
}

/** In the child: answers requests, one after the other. */
export function serve<Request, Answer>(handler: Handler<Request, Answer>): void {
  process.on("message", async (request: Request) => {
    try {
      process.send?.({ answer: await handler(request) } satisfies Message<Answer>);
    } catch (error) {
      process.send?.({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) });
    }
  });
}

/** Starts the TypeScript module at `url`. */
export function startProcess<Request, Answer>(url: URL): RemoteProcess<Request, Answer> {
  const child = fork(url, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  return {
    pid: child.pid ?? process.pid,
    async ask(request) {
      const answer = nextMessage<Answer>(child);
      child.send(request as object);
      const message = await answer;
      if ("error" in message) throw new Error(message.error);
      return message.answer;
    },
    async close() {
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.disconnect();
      child.kill();
      await exit;
    },
  };
}

/** The next answer, or an error if the process ends first. */
function nextMessage<Answer>(child: ChildProcess): Promise<Message<Answer>> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit);
      resolve(message as Message<Answer>);
    };
    const onExit = (code: number | null, signal: string | null) => {
      child.off("message", onMessage);
      reject(new Error(`a benchmark process ended with ${signal ?? code}`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
  });
}
