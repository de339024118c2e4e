/** The process with llama.cpp's RPC server: starts it, knows when it serves, and starts another where it ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createError } from "../../errors/create-error.js";
import { isOwnListener } from "../../remote/peer-user.js";
import { probe } from "../../remote/probe.js";
import type { ServedDevices } from "../rpc-child.js";
import { verifyCache } from "./cache-check.js";

const isSource = import.meta.url.endsWith(".ts");
const program = fileURLToPath(new URL(isSource ? "../rpc-child.ts" : "./rpc-child.js", import.meta.url));

/** So many ends within a minute are borne: more are no client's fault. */
const mostCrashes = 20;
const crashWindowMs = 60_000;
/** How often a process that starts is asked whether it serves, and for how long, in milliseconds. */
const askMs = 50;
const startMs = 60_000;
/** Between a start that failed and the next, in milliseconds. */
const againMs = 1000;

export type BackendOptions = Omit<ServedDevices, "port" | "parentProcess">;

export interface BackendSettings {
  /** Files of the cache were not what they were called, and are gone. */
  readonly onRemoved?: (names: readonly string[]) => void;
  /**
   * Node.
   * @default this process's own
   */
  readonly execPath?: () => string;
}

export class Backend {
  readonly #options: BackendOptions;
  readonly #onCrash: (lastWords: string) => void;
  readonly #settings: BackendSettings;
  #child: ChildProcess | undefined;
  #port: Promise<number>;
  #crashTimes: number[] = [];
  readonly #closing = new AbortController();
  #fail: (error: unknown) => void = () => {};
  /** Rejects where it ends too often. */
  readonly failed: Promise<never>;

  /** @param onCrash the process ended, or could not be started again */
  constructor(options: BackendOptions, onCrash: (lastWords: string) => void, settings: BackendSettings = {}) {
    this.#options = options;
    this.#onCrash = onCrash;
    this.#settings = settings;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    this.#port = this.#startSomewhere();
    this.#port.catch(() => {});
  }

  /** Where it serves, on this machine's loopback, as soon as it does. Rejects where it cannot be started. */
  get port(): Promise<number> {
    return this.#port;
  }

  /** The process; undefined before the first is started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("closed"));
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Between its choice and the process that listens there, a free port may be taken by another program. */
  async #startSomewhere(triesLeft = 2): Promise<number> {
    try {
      return await this.#start();
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes("could not listen");
      if (!isTaken || triesLeft === 0 || this.#isClosed) throw error;
      return this.#startSomewhere(triesLeft - 1);
    }
  }

  async #start(): Promise<number> {
    await this.#verifyCache();
    const port = await freePort();
    this.#closing.signal.throwIfAborted();
    const given: ServedDevices = { ...this.#options, port, parentProcess: process.pid };
    // How modules are found is this process's, a debugger's port is not.
    const inherited = process.execArgv.filter((argument) => !argument.startsWith("--inspect"));
    const child = spawn(
      this.#settings.execPath?.() ?? process.execPath,
      [...inherited, program, JSON.stringify(given)],
      {
        stdio: ["ignore", "ignore", "pipe"],
        windowsHide: true,
        // An abort's backtrace would start a debugger.
        env: { ...process.env, GGML_NO_BACKTRACE: "1" },
      },
    );
    this.#child = child;
    let words = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words = (words + text).slice(-4000);
    });
    let hasEnded = false;
    let isServing = false;
    // The system has no process to give, or the process could not be ended.
    child.on("error", ({ message }) => {
      words += message;
      hasEnded ||= child.pid === undefined;
    });
    child.once("exit", () => {
      hasEnded = true;
      if (!this.#isClosed && isServing) this.#startAgain();
    });
    // With the last words.
    child.once("close", () => {
      if (!this.#isClosed && isServing) this.#onCrash(words.trim());
    });
    const deadline = performance.now() + startMs;
    while (!hasEnded && performance.now() < deadline) {
      const devices = await probe({ host: "127.0.0.1", port }, startMs).catch(() => undefined);
      if (devices !== undefined) {
        // It may have ended between its answer and now.
        if (hasEnded) break;
        if (!isOwnListener(port)) {
          words += "another user's program was faster to listen at its port";
          break;
        }
        isServing = true;
        return port;
      }
      await sleep(askMs);
    }
    child.kill("SIGKILL");
    throw createError("ERR_REMOTE_UNREACHABLE", `the server did not start: ${words.trim() || "it said nothing"}`, {
      address: `127.0.0.1:${port}`,
    });
  }

  /** No process uses the cache now, and the last one may have ended while it wrote there. */
  async #verifyCache(): Promise<void> {
    const { cacheDirectory } = this.#options;
    if (cacheDirectory === "") return;
    try {
      const removed = await verifyCache(cacheDirectory, this.#closing.signal);
      if (removed.length > 0) this.#settings.onRemoved?.(removed);
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      const message = `the cache in ${cacheDirectory} cannot be read: ${(error as Error).message}`;
      throw createError("ERR_FILE_READ_FAILED", message, { path: cacheDirectory }, error);
    }
  }

  #startAgain(): void {
    this.#port = this.#started();
    this.#port.catch((error) => this.#fail(error));
  }

  /** The next one that serves. One that does not start is an end like another. */
  async #started(): Promise<number> {
    while (true) {
      const now = performance.now();
      this.#crashTimes = [...this.#crashTimes.filter((time) => now - time < crashWindowMs), now];
      if (this.#crashTimes.length > mostCrashes) {
        const message = `the server ended ${this.#crashTimes.length} times within a minute`;
        throw createError("ERR_REMOTE_UNREACHABLE", message, { address: "127.0.0.1" });
      }
      try {
        return await this.#start();
      } catch (error) {
        this.#closing.signal.throwIfAborted();
        this.#onCrash((error as Error).message);
        await sleep(againMs, undefined, { signal: this.#closing.signal });
      }
    }
  }
}

/** One that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
