/**
 * The program of the thread that all bytes to and from one server go through: a listener on this machine's loopback, to
 * which llama.cpp connects. It opens the tunnel, and ends connections on which the server owes an answer
 * and nothing moves, since llama.cpp would wait for ever. A thread of its own, as the JavaScript thread of a process may
 * wait for the engine, which may wait for the server.
 */

import { once } from "node:events";
import { writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { KeyFault, readKey } from "./key.js";
import { isOwnUser } from "./peer-user.js";
import { connectTo, isServerFault, probe, type Server } from "./probe.js";
import type { RelayData, RelayMessage } from "./relay.js";
import { Owed } from "./wire.js";

const { url, host, port, keyFile, timeoutMs, stallTimeoutMs } = workerData as RelayData;
/** llama.cpp opens one connection after another; so many are open at no time. */
const mostConnections = 16;

const tell = (message: RelayMessage) => parentPort?.postMessage(message);

/**
 * What is said last in this process: whoever has its log knows why it ended. Written here and at once, since llama.cpp ends
 * the process as soon as its connection ends, before another thread has its turn.
 */
function tellLoss(reason: string): void {
  try {
    writeSync(2, `${url}: ${reason}\n`);
  } catch {
    // Nobody reads it, or not yet.
    tell({ kind: "lost", reason });
  }
}

function relay(server: Server, local: Socket): void {
  const owed = new Owed();
  let movedAt = performance.now();
  let isOpen = false;
  const remote = connectTo(server, () => {
    isOpen = true;
    movedAt = performance.now();
  });
  const period = Math.max(10, Math.min(1000, Math.min(stallTimeoutMs, timeoutMs) / 4));
  let lookedAt = movedAt;
  const watch = setInterval(() => {
    const now = performance.now();
    // Where this process stood still itself, what the server said waits to be heard.
    if (now - lookedAt > 3 * period) movedAt = now;
    lookedAt = now;
    if (!isOpen) {
      if (now - movedAt <= timeoutMs) return;
      tellLoss(`no connection was made within ${timeoutMs} ms`);
      end();
    } else if ((owed.isOwing || remote.writableLength > 0) && now - movedAt > stallTimeoutMs) {
      tellLoss(`the server owed an answer for ${stallTimeoutMs} ms`);
      end();
    }
  }, period);
  const end = () => {
    clearInterval(watch);
    local.destroy();
    remote.destroy();
  };
  local.setNoDelay(true);
  local.on("data", (piece) => {
    owed.asked(piece);
    movedAt = performance.now();
    if (!remote.write(piece)) local.pause();
  });
  remote.on("drain", () => {
    movedAt = performance.now();
    local.resume();
  });
  remote.on("data", (piece) => {
    owed.answered(piece);
    movedAt = performance.now();
    if (!local.write(piece)) remote.pause();
  });
  local.on("drain", () => remote.resume());
  for (const socket of [local, remote]) {
    // What went wrong is told by the other side's end.
    socket.on("error", end);
    socket.on("close", end);
  }
  // llama.cpp has no more to say, but what it said last is still to be sent.
  local.on("end", () => remote.end());
}

async function begin(): Promise<void> {
  const server: Server = { host, port, key: keyFile === undefined ? undefined : readKey(keyFile) };
  await probe(server, timeoutMs);
  const listener = createServer({ allowHalfOpen: true }, (local) => {
    // Others on this machine have no part in the key.
    if (isOwnUser(local.remotePort ?? 0, local.localPort ?? 0)) relay(server, local);
    else local.destroy();
  });
  listener.maxConnections = mostConnections;
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  // No descriptors left, say: llama.cpp's connection fails by itself, and others go on.
  listener.on("error", ({ message }) => tellLoss(`the relay could not take a connection: ${message}`));
  const address = listener.address();
  if (typeof address === "object" && address !== null) tell({ kind: "ready", port: address.port });
}

begin().catch((error: unknown) => {
  if (error instanceof KeyFault) tell({ kind: "key", reason: error.message });
  else if (isServerFault(error)) tell({ kind: "fault", fault: error });
  // A Node without the tunnel's cipher, a listener that the system does not give: the relay's own, with its cause.
  else
    setImmediate(() => {
      throw error;
    });
});
