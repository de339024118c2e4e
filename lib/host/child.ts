/**
 * The program of a host in a process of its own: a forked child of Node, or a utility process of Electron. It has nothing
 * to lose that its app does not know of, so it ends the hard way when the app has gone.
 */

import { writeFileSync } from "node:fs";
import { type HostChannel, type HostPort, portChannel } from "./channel.js";
import { EngineServer } from "./engine-server.js";
import type { FromHost, ToHost } from "./protocol.js";

/** Between 0 and 1000: where the system has no memory left, it ends this process rather than the app. */
const outOfMemoryScore = "500";

const { parentPort } = process as typeof process & { readonly parentPort?: HostPort };

function forkedChannel(): HostChannel<FromHost, ToHost> {
  return {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    listen(onMessage, onClose) {
      process.on("message", (message) => onMessage(message as ToHost));
      process.once("disconnect", onClose);
    },
    hold: () => {},
    close: () => process.disconnect?.(),
  };
}

function lowerOwnPriority(): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync("/proc/self/oom_score_adj", outOfMemoryScore);
  } catch {
    // A system that has the file read-only, or not at all, decides for itself.
  }
}

if (parentPort) {
  new EngineServer(portChannel<FromHost, ToHost>(parentPort), () => process.exit());
} else {
  lowerOwnPriority();
  // A Ctrl-C, a closed terminal and what a service manager sends to the whole group are for the app, which ends its hosts
  // as it likes. They go when it has gone.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  new EngineServer(forkedChannel(), () => process.kill(process.pid, "SIGKILL"));
}
