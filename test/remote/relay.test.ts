/** The relay by itself: whom it takes, and when it lets go. */

import { spawn } from "node:child_process";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { userInTable } from "../../lib/remote/peer-user.js";
import { isServerFault } from "../../lib/remote/probe.js";
import { openRelay, type Relay } from "../../lib/remote/relay.js";
import { helloRequest } from "../../lib/remote/wire.js";
import { fakeServer, greeting } from "./fixtures.js";

/** A server that answers the first two questions of each connection, and then says nothing. */
async function relayTo(t: ExecutionContext, stallTimeoutMs = 60_000): Promise<Relay> {
  const devices = Buffer.alloc(12);
  devices.writeBigUInt64LE(4n);
  devices.writeUInt32LE(1, 8);
  const port = await fakeServer(t, (socket) => {
    socket.once("data", () => {
      socket.write(greeting(7, 0, 0));
      socket.once("data", () => socket.write(devices));
    });
  });
  const url = `rpc://127.0.0.1:${port}`;
  const asked = { url, host: "127.0.0.1", port, keyFile: undefined, timeoutMs: 20_000, stallTimeoutMs };
  const relay = await openRelay(asked, new AbortController().signal);
  t.teardown(() => relay.close());
  return relay;
}

test("what goes wrong in the relay itself is an error with a code and its cause", async (t) => {
  const address = { url: "rpc://127.0.0.1:70000", host: "127.0.0.1", port: 70_000 };
  const asked = { ...address, keyFile: undefined, timeoutMs: 20_000, stallTimeoutMs: 60_000 };
  const failed = openRelay(asked, new AbortController().signal);
  const error = await t.throwsAsync(failed, { code: "ERR_INTERNAL" });
  t.is((error.cause as { readonly code?: string }).code, "ERR_SOCKET_BAD_PORT");
});

test("only a server's fault is taken for one", (t) => {
  t.true(isServerFault({ code: "UNREACHABLE", reason: "" }));
  for (const other of [undefined, null, "UNREACHABLE", new Error("a"), { code: "ERR_SSL" }, {}])
    t.false(isServerFault(other));
  t.false(isServerFault(Object.assign(new Error("a"), { code: "TIMEOUT" })));
});

const portOf = ({ endpoint }: Relay) => Number(endpoint.split(":")[1]);

/** What a program gets that greets the server, until its connection is closed or has had the greeting. */
const greets = (port: number) => `
  const { connect } = require("node:net");
  const socket = connect(${port}, "127.0.0.1", () => socket.write(Buffer.from("${helloRequest().toString("hex")}", "hex")));
  let bytes = 0;
  socket.on("error", () => {});
  socket.on("data", (piece) => { bytes += piece.length; if (bytes === 36) socket.destroy(); });
  socket.on("close", () => console.log(bytes));`;

async function bytesFor(port: number, user: number | undefined): Promise<string> {
  const child = spawn(process.execPath, ["-e", greets(port)], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: "/",
    ...(user !== undefined && { uid: user }),
  });
  return (await text(child.stdout)).trim();
}

const asRoot = process.platform === "linux" && process.getuid?.() === 0 ? test : test.skip;

asRoot("another user of this machine is not relayed", async (t) => {
  const port = portOf(await relayTo(t));
  t.is(await bytesFor(port, 65_534), "0");
  t.is(await bytesFor(port, undefined), "36");
});

test("a user is found in the system's table by both ends", (t) => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:C350 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:9C40 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 2 1
   2: 0100007F:C350 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     7        0 3 1
`;
  t.is(userInTable(table, "0100007F:9C40", "0100007F:C350"), 1000);
  t.is(userInTable(table, "0100007F:C350", "0100007F:9C40"), 7);
  t.is(userInTable(table, "0100007F:9C41", "0100007F:C350"), undefined);
  t.is(userInTable(table, "0100007F:C350", "00000000:0000"), undefined);
  t.is(userInTable(table, "0100007F:C350", "00000000:0000", "0A"), 0);
});

test("a connection that its process has closed is nobody's", (t) => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   1: 0100007F:9C40 0100007F:C350 05 00000000:00000000 00:00000000 00000000     0        0 0 1
   2: 0100007F:9C41 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 0 1
   3: 0100007F:9C42 0100007F:C350 06 00000000:00000000 03:00001000 00000000     0        0 0 3
   4: 0100007F:9C43 0100007F:C350 04 00000000:00000000 00:00000000 00000000     0        0 7 3
`;
  for (const port of ["9C40", "9C41", "9C42", "9C43"])
    t.is(userInTable(table, `0100007F:${port}`, "0100007F:C350"), undefined);
});

test("a connection on which an answer is owed for too long is ended, and an idle one is not", async (t) => {
  const port = portOf(await relayTo(t, 200));
  const idle = connect(port, "127.0.0.1");
  const asking = connect(port, "127.0.0.1", () => asking.write(helloRequest()));
  const ended = new Promise((resolve) => asking.once("close", resolve));
  // The second question has an answer, the third has none.
  asking.once("data", () => asking.write(Buffer.concat([question, question])));
  asking.resume();
  await ended;
  t.false(idle.destroyed);
  idle.destroy();
});

/** DEVICE_COUNT. */
const question = Buffer.from([15, 0, 0, 0, 0, 0, 0, 0, 0]);
