/** The process with llama.cpp's RPC server: starts it, knows when it serves, and starts another where it ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createError } from "../../errors/create-error.js";
import { probe } from "../../remote/probe.js";
import type { ServedDevices } from "../rpc-child.js";

const isSource = import.meta.url.endsWith(".ts");
const program = fileURLToPath(new URL(isSource ? "../rpc-child.ts" : "./rpc-child.js", import.meta.url));

/** So many ends within a minute are borne: more are no client's fault. */
const mostCrashes = 20;
const crashWindowMs = 60_000;
/** How often a process that starts is asked whether it serves, and for how long, in milliseconds. */
const askMs = 50;
const startMs = 60_000;

export type BackendOptions = Omit<ServedDevices, "port" | "parentProcess">;

export class Backend {
  readonly #options: BackendOptions;
  readonly #onCrash: (lastWords: string) => void;
  #child: ChildProcess | undefined;
  #port: Promise<number>;
  #crashTimes: number[] = [];
  #isClosed = false;
  #fail: (error: unknown) => void = () => {};
  /** Rejects where it ends too often. */
  readonly failed: Promise<never>;

  constructor(options: BackendOptions, onCrash: (lastWords: string) => void) {
    this.#options = options;
    this.#onCrash = onCrash;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    this.#port = this.#start();
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
    this.#isClosed = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async #start(): Promise<number> {
    const port = await freePort();
    if (this.#isClosed) throw new Error("closed");
    const given: ServedDevices = { ...this.#options, port, parentProcess: process.pid };
    // How modules are found is this process's, a debugger's port is not.
    const inherited = process.execArgv.filter((argument) => !argument.startsWith("--inspect"));
    const child = spawn(process.execPath, [...inherited, program, JSON.stringify(given)], {
      stdio: ["ignore", "ignore", "pipe"],
      windowsHide: true,
      // An abort's backtrace would start a debugger.
      env: { ...process.env, GGML_NO_BACKTRACE: "1" },
    });
    this.#child = child;
    let words = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words = (words + text).slice(-4000);
    });
    let hasEnded = false;
    let isServing = false;
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
        isServing = true;
        // It may have ended between its answer and now.
        if (hasEnded) break;
        return port;
      }
      await sleep(askMs);
    }
    child.kill("SIGKILL");
    throw createError("ERR_REMOTE_UNREACHABLE", `the server did not start: ${words.trim() || "it said nothing"}`, {
      address: `127.0.0.1:${port}`,
    });
  }

  #startAgain(): void {
    const now = performance.now();
    this.#crashTimes = [...this.#crashTimes.filter((time) => now - time < crashWindowMs), now];
    if (this.#crashTimes.length > mostCrashes) {
      const message = `the server ended ${this.#crashTimes.length} times within a minute`;
      this.#fail(createError("ERR_REMOTE_UNREACHABLE", message, { address: "127.0.0.1" }));
      return;
    }
    this.#port = this.#start();
    this.#port.catch((error) => this.#fail(error));
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
