/** Who reaches a server with a key, and who does not: nothing is served to them, and nothing ends by them. */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { Front } from "../../lib/cli/rpc-server/front.js";
import type { Key } from "../../lib/remote/key.js";
import { probe } from "../../lib/remote/probe.js";
import { clientTunnel } from "../../lib/remote/tunnel.js";
import { helloRequest } from "../../lib/remote/wire.js";
import { fakeServer, type LentDevices, lend, newKey } from "./fixtures.js";

const isServed = async (t: ExecutionContext, { port }: LentDevices, key?: Key) =>
  t.is(await probe({ host: "127.0.0.1", port, key }, 20_000), 1);

/** Resolves when the server has closed it, with what came before. */
async function closed(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on("error", () => {});
  socket.on("data", (piece) => pieces.push(piece));
  await new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
  return Buffer.concat(pieces);
}

const plain = (port: number) => connect({ host: "127.0.0.1", port });

test("who has the key is served", async (t) => {
  const { key } = newKey(t);
  await isServed(t, await lend(t, { key }), key);
});

test("who has no key, or another one, is not", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key });
  const server = { host: "127.0.0.1", port: lent.port };
  t.like(await t.throwsAsync(Promise.reject(await probe(server, 5000).catch((fault) => fault)), { any: true }), {
    code: "UNREACHABLE",
  });
  const others: readonly Key[] = [
    newKey(t).key,
    { name: key.name, secret: randomBytes(32) },
    { name: newKey(t).key.name, secret: key.secret },
    { name: `${key.name}0`, secret: key.secret },
  ];
  for (const other of others) {
    const fault = await probe({ ...server, key: other }, 5000).catch((error) => error);
    t.is(fault.code, "REFUSED", JSON.stringify(fault));
  }
  t.deepEqual(
    lent.events.filter(({ kind }) => kind !== "refused"),
    [],
  );
  await isServed(t, lent, key);
});

test("a tunnel of another kind of TLS is not opened", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key });
  for (const settings of [
    { rejectUnauthorized: false },
    { ...clientTunnel(key), ciphers: "PSK-AES256-GCM-SHA384" },
    { ...clientTunnel(key), minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const,
  ]) {
    const socket = connectTls({ host: "127.0.0.1", port: lent.port, ...settings });
    t.is((await closed(socket)).length, 0);
  }
  await isServed(t, lent, key);
});

test("random bytes, a greeting without a tunnel, and half a handshake serve nobody", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key, greetingMs: 500 });
  const words = [
    randomBytes(10_000),
    helloRequest(),
    Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
    Buffer.alloc(0),
  ];
  const sockets = words.map((bytes) => {
    const socket = plain(lent.port);
    socket.write(bytes);
    return closed(socket);
  });
  for (const answer of await Promise.all(sockets)) t.true(answer.length < 20);
  await isServed(t, lent, key);
});

test("what was recorded opens nothing a second time", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key, greetingMs: 2000 });
  const recorded: Buffer[] = [];
  const between = await fakeServer(t, (socket) => {
    const on = plain(lent.port);
    on.on("error", () => {});
    socket.on("data", (piece) => {
      recorded.push(piece);
      on.write(piece);
    });
    on.pipe(socket);
    socket.once("close", () => on.destroy());
  });
  t.is(await probe({ host: "127.0.0.1", port: between, key }, 5000), 1);
  const before = lent.events.filter(({ kind }) => kind === "client").length;
  const again = plain(lent.port);
  again.write(Buffer.concat(recorded));
  await closed(again);
  t.is(lent.events.filter(({ kind }) => kind === "client").length, before);
});

test("a stream that is cut or changed on the way ends its connection alone", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key, greetingMs: 2000 });
  for (const change of ["cut", "flip"] as const) {
    let seen = 0;
    const between = await fakeServer(t, (socket) => {
      const on = plain(lent.port);
      on.on("error", () => {});
      socket.on("data", (piece) => {
        seen++;
        // The handshake passes: it is the third piece that holds the greeting.
        if (seen < 3) on.write(piece);
        else if (change === "cut") on.end(piece.subarray(0, piece.length - 5));
        else on.write(piece.map((byte, i) => (i === piece.length - 1 ? byte ^ 1 : byte)));
      });
      on.pipe(socket);
      on.once("close", () => socket.destroy());
    });
    const fault = await probe({ host: "127.0.0.1", port: between, key }, 5000).catch((error) => error);
    t.is(typeof fault?.code, "string");
  }
  await isServed(t, lent, key);
});

test("hundreds of connections without a key shut nobody out for longer than a greeting", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key, greetingMs: 1000 });
  const many = Array.from({ length: 300 }, () => closed(plain(lent.port)));
  for (const answer of await Promise.all(many)) t.true(answer.length < 20);
  await isServed(t, lent, key);
});

test("connections without a key that stay make room for who has it", async (t) => {
  const { key } = newKey(t);
  const lent = await lend(t, { key, greetingMs: 600_000 });
  const silent = Array.from({ length: 100 }, () => plain(lent.port));
  const ended = silent.map(closed);
  await Promise.all(silent.map((socket) => socket.readyState === "open" || once(socket, "connect")));
  await isServed(t, lent, key);
  // The oldest went.
  await Promise.all(ended.slice(0, 30));
  t.true(silent.filter((socket) => !socket.destroyed).length <= 64);
  for (const socket of silent) socket.destroy();
});

/** A client that is being served. */
async function served({ port }: LentDevices): Promise<Socket> {
  const socket = plain(port);
  socket.write(helloRequest());
  await once(socket, "data");
  return socket;
}

test("clients that have gone while they waited leave their places", async (t) => {
  const lent = await lend(t);
  const first = await served(lent);
  const full = () => lent.events.filter((event) => event.kind === "refused" && /wait/.test(event.reason)).length;
  for (let round = 0; round < 3; round++) {
    // One more than there is room for, which is closed: then all the others wait.
    const waiting = Array.from({ length: 9 }, () => plain(lent.port));
    const before = full();
    const ended = waiting.map((socket) => closed(socket));
    for (const socket of waiting) socket.write(helloRequest());
    await Promise.race(ended);
    t.is(full(), before + 1);
    for (const socket of waiting) socket.end();
    await Promise.all(ended);
  }
  const next = isServed(t, lent);
  first.destroy();
  await next;
});

test("what a client says while it waits is heard, and the wait has an end", async (t) => {
  const patient = await lend(t);
  const first = await served(patient);
  const second = plain(patient.port);
  second.write(helloRequest());
  const impatient = plain(patient.port);
  impatient.write(Buffer.alloc(100_000));
  await closed(impatient);
  const answered = once(second, "data");
  first.destroy();
  t.is((await answered)[0].length, 36);
  second.destroy();
  const short = await lend(t, { waitMs: 100 });
  const stays = await served(short);
  await closed(plain(short.port));
  t.like(short.events.at(-1), { kind: "refused", reason: "another client was served all the while" });
  stays.destroy();
});

test("a client that says nothing makes room for the next", async (t) => {
  const lent = await lend(t, { greetingMs: 300 });
  const silent = plain(lent.port);
  const ended = closed(silent);
  await isServed(t, lent);
  await ended;
  t.true(lent.events.some((event) => event.kind === "refused" && event.reason === "it said nothing for 300 ms"));
});

test("a client that has said its words does not wait too long for a server that starts", async (t) => {
  const lent = await lend(t);
  const refused: unknown[] = [];
  const front = await Front.listen({
    ...{ host: "127.0.0.1", port: 0, key: undefined, greetingMs: 100 },
    backend: async () => {
      await sleep(500);
      return lent.backend.port;
    },
    onEvent: (event) => event.kind === "refused" && refused.push(event),
  });
  t.teardown(() => front.close());
  t.is(await probe({ host: "127.0.0.1", port: front.port }, 20_000), 1);
  t.deepEqual(refused, []);
});

test("one client is served at a time, and the next when it has gone", async (t) => {
  const lent = await lend(t);
  const first = plain(lent.port);
  first.write(helloRequest());
  await once(first, "data");
  const fault = await probe({ host: "127.0.0.1", port: lent.port }, 300).catch((error) => error);
  t.is(fault.code, "TIMEOUT");
  const next = isServed(t, lent);
  first.destroy();
  await next;
});

test("nonsense behind a good greeting ends at most the process that serves, and another follows", async (t) => {
  const lent = await lend(t);
  for (const words of [
    Buffer.from([200]),
    Buffer.concat([Buffer.from([10]), Buffer.alloc(8, 255)]),
    randomBytes(5000),
  ]) {
    const socket = plain(lent.port);
    socket.write(Buffer.concat([helloRequest(), words]));
    const ended = closed(socket);
    socket.end();
    await ended;
  }
  await t.notThrowsAsync(probeUntilServed(lent));
  lent.crash();
  await t.notThrowsAsync(probeUntilServed(lent));
});

/** The process that follows takes a moment to start, in which connections wait or are ended. */
async function probeUntilServed({ port }: LentDevices): Promise<number> {
  while (true) {
    try {
      return await probe({ host: "127.0.0.1", port }, 20_000);
    } catch (fault) {
      if ((fault as { readonly code?: string }).code === "TIMEOUT") throw fault;
    }
  }
}
