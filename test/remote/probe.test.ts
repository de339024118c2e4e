/** Servers that cannot be used: each is an error with a code within the time limit, and nothing of llama.cpp hears of it. */

import { once } from "node:events";
import type { Socket } from "node:net";
import { MessageChannel } from "node:worker_threads";
import test, { type ExecutionContext } from "ava";
import { loadPairInHost, serveHost } from "../../lib/host/index.js";
import { demoPair, loadPair } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { deadPort, fakeServer, greeting, newKey } from "./fixtures.js";

const loadFrom = (port: number, keyFile?: string, timeoutMs = 300) =>
  loadPair({
    ...demoPair,
    gpu: false,
    prefill: {
      ...demoPair.prefill,
      devices: [keyFile ? { url: `rpcs://127.0.0.1:${port}`, key: keyFile } : `rpc://127.0.0.1:${port}`],
    },
    remote: { inProcess: true, timeoutMs },
  });

/** A server that answers the greeting with `answer`, and then what `then` says. */
const answering = (t: ExecutionContext, answer: Buffer, then?: Buffer) =>
  fakeServer(t, (socket) => {
    socket.once("data", () => {
      socket.write(answer);
      if (then) socket.once("data", () => socket.write(then));
    });
  });

test("nobody listens", async (t) => {
  const port = await deadPort();
  const { details, message } = await refusal(t, "ERR_REMOTE_UNREACHABLE", loadFrom(port));
  t.is(details.address, `rpc://127.0.0.1:${port}`);
  t.regex(message, /ECONNREFUSED/);
});

test("a server that takes connections and says nothing", async (t) => {
  const port = await fakeServer(t, () => {});
  const { details, message } = await refusal(t, "ERR_REMOTE_TIMEOUT", loadFrom(port));
  t.is(details.timeoutMs, 300);
  t.regex(message, /another client/);
});

test("a server that stops in the middle of its greeting", async (t) => {
  const port = await answering(t, greeting(7, 0, 0).subarray(0, 20));
  await refusal(t, "ERR_REMOTE_TIMEOUT", loadFrom(port));
});

test("a server that greets and tells no devices", async (t) => {
  const port = await answering(t, greeting(7, 0, 0));
  await refusal(t, "ERR_REMOTE_TIMEOUT", loadFrom(port));
});

test("a server that ends the connection", async (t) => {
  const port = await fakeServer(t, (socket) => socket.once("data", () => socket.end()));
  const { message } = await refusal(t, "ERR_REMOTE_UNREACHABLE", loadFrom(port));
  t.regex(message, /busy/);
  const { file } = newKey(t);
  // No alert: it has said nothing of the key.
  await refusal(t, "ERR_REMOTE_UNREACHABLE", loadFrom(port, file));
});

test("a server that says something else and ends the connection", async (t) => {
  // TLS' alert that the greeting is none.
  const port = await fakeServer(t, (socket) =>
    socket.once("data", () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 70]))),
  );
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", loadFrom(port));
});

for (const version of ["6.0.0", "7.1.0", "7.0.1", "8.0.0"])
  test(`a server of version ${version}`, async (t) => {
    const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
    const port = await answering(t, greeting(major, minor, patch));
    const { details } = await refusal(t, "ERR_REMOTE_INCOMPATIBLE", loadFrom(port));
    t.is(details.actual, version);
    t.is(details.expected, "7.0.0");
  });

test("a server of something else", async (t) => {
  const port = await fakeServer(t, (socket) => socket.once("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n")));
  const { message } = await refusal(t, "ERR_REMOTE_INCOMPATIBLE", loadFrom(port));
  t.regex(message, /not ggml's RPC/);
});

test("a server without devices", async (t) => {
  const none = Buffer.alloc(12);
  none.writeBigUInt64LE(4n);
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", loadFrom(await answering(t, greeting(7, 0, 0), none)));
});

test("a server without a tunnel, or one that is silent in the handshake", async (t) => {
  const { file } = newKey(t);
  await refusal(t, "ERR_REMOTE_REFUSED", loadFrom(await answering(t, greeting(7, 0, 0)), file));
  await refusal(t, "ERR_REMOTE_TIMEOUT", loadFrom(await fakeServer(t, () => {}), file));
});

test("a key that cannot be read is told before anything is sent", async (t) => {
  let nConnections = 0;
  const port = await fakeServer(t, () => {
    nConnections++;
  });
  const { details } = await refusal(t, "ERR_REMOTE_KEY_INVALID", loadFrom(port, "/nowhere.key"));
  t.is(details.path, "/nowhere.key");
  t.is(nConnections, 0);
});

for (const [where, load] of [
  ["here", loadPair],
  ["in a host", loadPairInHost],
] as const)
  test(`an abort ends the wait for a server at once, with its reason: ${where}`, async (t) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const port = await fakeServer(t, () => controller.abort(reason));
    const failed = load({
      ...demoPair,
      gpu: false,
      prefill: { ...demoPair.prefill, devices: [`rpc://127.0.0.1:${port}`] },
      remote: { inProcess: true, timeoutMs: 1_000_000 },
      signal: controller.signal,
    });
    t.is(await t.throwsAsync(failed, { any: true }), reason);
  });

test("a port that closes while servers are asked gives them up, and no pair comes", async (t) => {
  const { port1, port2 } = new MessageChannel();
  const asked = new Promise<Socket>((resolve) => {
    void fakeServer(t, resolve).then((port) => {
      serveHost(port2);
      const failed = loadPairInHost({
        ...demoPair,
        gpu: false,
        prefill: { ...demoPair.prefill, devices: [`rpc://127.0.0.1:${port}`] },
        remote: { timeoutMs: 1_000_000 },
        port: port1,
      });
      failed.catch(() => {});
    });
  });
  const socket = await asked;
  const closed = once(socket, "close");
  socket.resume();
  port1.close();
  await t.notThrowsAsync(closed);
});

test("one server of two that is not there is told, and what was opened is closed", async (t) => {
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const devices = Buffer.alloc(12);
  devices.writeBigUInt64LE(4n);
  devices.writeUInt32LE(1, 8);
  const port = await fakeServer(t, (socket) => {
    socket.once("close", close);
    socket.once("data", () => {
      socket.write(greeting(7, 0, 0));
      socket.once("data", () => socket.write(devices));
    });
  });
  const dead = await deadPort();
  const failed = loadPair({
    ...demoPair,
    gpu: false,
    prefill: { ...demoPair.prefill, devices: [`rpc://127.0.0.1:${port}`, `rpc://127.0.0.1:${dead}`] },
    remote: { inProcess: true },
  });
  await refusal(t, "ERR_REMOTE_UNREACHABLE", failed);
  await t.notThrowsAsync(closed);
});
