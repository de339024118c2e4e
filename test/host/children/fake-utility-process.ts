/**
 * Electron's `utilityProcess` as far as this package uses it, over `child_process.fork`: the program finds
 * `process.parentPort`, and messages come wrapped in events, as there.
 */

import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import type { UtilityProcessHandle, UtilityProcessModule } from "../../../lib/host/index.js";

const preload = fileURLToPath(new URL("./parent-port.mjs", import.meta.url));

class FakeUtilityProcess extends EventEmitter implements UtilityProcessHandle {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    super();
    this.#child = child;
    child.once("spawn", () => this.emit("spawn"));
    // Electron hands a message over bare here, and tells the exit code alone.
    child.on("message", (message) => this.emit("message", message));
    child.once("exit", (code, signal) => this.emit("exit", code ?? (signal === null ? 0 : 9)));
  }

  get pid() {
    return this.#child.pid;
  }

  get stderr() {
    return this.#child.stderr;
  }

  postMessage(message: unknown): void {
    if (this.#child.connected) this.#child.send(message as object, () => {});
  }

  kill(): boolean {
    return this.#child.kill();
  }
}

export const fakeUtilityProcess: UtilityProcessModule = {
  fork: (program, args, { cwd, execArgv, env }) =>
    new FakeUtilityProcess(
      fork(program, args, {
        cwd,
        execArgv: [...execArgv, `--import=${preload}`],
        env: env as NodeJS.ProcessEnv,
        serialization: "advanced",
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      }),
    ),
};
