/** Many clients at once for a time, and what becomes of the server meanwhile and afterwards. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mulberry32 } from "../../support/random.js";
import { writeScriptedModel } from "../../support/scripted-model.js";
import { makeTempDir } from "../../support/temp-dir.js";
import { script } from "../fixtures.js";
import { troublesome, WrongAnswer, wellBehaved } from "./clients.js";
import type { ServerRequest, ServerState } from "./server-process.js";

export interface LoadOptions {
  readonly clients: number;
  readonly seconds: number;
  /** Sessions of the pair. @default 4 */
  readonly maxSessions?: number;
}

export interface LoadReport {
  readonly clients: number;
  readonly seconds: number;
  /** What well-behaved clients asked, and what the others did. */
  readonly answered: number;
  readonly troubles: number;
  /** What was wrong with answers; empty if all went well. */
  readonly wrong: readonly string[];
  /** Before the first client and after the last. */
  readonly before: ServerState;
  readonly after: ServerState;
  /** Medians of the tenths of the time: the first has what is made once, and a leak grows from each to the next. */
  readonly rssBytes: readonly number[];
  /** Of the time of the load only. */
  readonly late: ServerState["late"];
}

/** The server's memory is looked at so often. */
const lookMs = 250;
/** What is left of the load has this long to end. */
const patienceMs = 60_000;

class ServerProcess implements AsyncDisposable {
  readonly #child = fork(new URL("./server-process.ts", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });

  /** One after the other. */
  async ask(request: ServerRequest): Promise<ServerState> {
    const settled = new AbortController();
    const { signal } = settled;
    try {
      const ended = once(this.#child, "exit", { signal }).then(([code, by]) => ({
        error: `it ended with ${by ?? code}`,
      }));
      const told = once(this.#child, "message", { signal }).then(
        ([message]) => message as { readonly state: ServerState } | { readonly error: string },
      );
      this.#child.send(request);
      const answer = await Promise.race([told, ended]);
      if ("error" in answer) throw new Error(`the server's process: ${answer.error}`);
      return answer.state;
    } finally {
      settled.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill();
    await exit;
  }
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Runs the load. Rejects if the server ends, or if what it began does not end. */
export async function runLoad({ clients, seconds, maxSessions = 4 }: LoadOptions): Promise<LoadReport> {
  const folder = makeTempDir();
  try {
    const model = join(folder.path, "model.gguf");
    await writeScriptedModel(model, script, 1024);
    await using server = new ServerProcess();
    const { port } = await server.ask({ kind: "start", model, maxSessions });
    const agent = new Agent({ keepAlive: true });
    const target = { port, agent };
    // What is made once is not counted.
    for (const deed of wellBehaved) await deed(target, Math.random);
    agent.destroy();
    const before = await server.ask({ kind: "reset" });
    const counts = { answered: 0, troubles: 0 };
    const wrong: string[] = [];
    const end = performance.now() + seconds * 1000;
    const client = async (n: number) => {
      const random = mulberry32(n + 1);
      // A quarter is well-behaved throughout.
      const deeds = n % 4 === 0 ? wellBehaved : [...wellBehaved, ...troublesome];
      do {
        const which = Math.floor(random() * deeds.length);
        try {
          await deeds[which]?.(target, random);
          counts[which < wellBehaved.length ? "answered" : "troubles"]++;
        } catch (error) {
          wrong.push(error instanceof WrongAnswer ? error.message.slice(0, 500) : String(error));
        }
      } while (performance.now() < end);
    };
    const states: ServerState[] = [];
    let isOver = false;
    const watching = (async () => {
      for (; !isOver; await sleep(lookMs)) states.push(await server.ask({ kind: "look" }));
    })();
    await Promise.all(Array.from({ length: clients }, (_, n) => client(n)));
    isOver = true;
    await watching;
    const { late } = await server.ask({ kind: "look" });
    agent.destroy();
    const after = await quiet(server, before);
    const rss = states.map(({ rssBytes }) => rssBytes);
    const tenth = Math.ceil(rss.length / 10);
    const tenths = Array.from({ length: 10 }, (_, i) => rss.slice(i * tenth, (i + 1) * tenth)).filter(
      (part) => part.length > 0,
    );
    return { ...{ clients, seconds, ...counts, wrong, before, after, late }, rssBytes: tenths.map(median) };
  } finally {
    await folder.remove();
  }
}

/** The state when all that was begun has ended and all connections are closed; the last one when patience has. */
async function quiet(server: ServerProcess, before: ServerState): Promise<ServerState> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const state = await server.ask({ kind: "look" });
    const { running, busy, waiting, descriptors = 0 } = state;
    const isQuiet = running + busy + waiting === 0 && descriptors <= (before.descriptors ?? 0);
    if (isQuiet || performance.now() > end) return state;
    await sleep(lookMs / 10);
  }
}
