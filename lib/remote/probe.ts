/**
 * Opens connections to a server, and asks it within a time limit whether it is one: llama.cpp, which asks next, ends the
 * process where it is not.
 */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { limitSilence } from "../internal/silence-limit.js";
import type { Key } from "./key.js";
import { clientTunnel } from "./tunnel.js";
import {
  deviceCountAnswerBytes,
  deviceCountRequest,
  devicesOf,
  helloAnswerBytes,
  helloRequest,
  protocolVersion,
  versionOf,
} from "./wire.js";

export interface Server {
  readonly host: string;
  readonly port: number;
  /** Without one the connection is plain. */
  readonly key?: Key | undefined;
}

/** What is wrong with a server, as plain data that crosses threads; the code's last word. */
export interface ServerFault {
  readonly code: "UNREACHABLE" | "TIMEOUT" | "INCOMPATIBLE" | "REFUSED";
  readonly reason: string;
  /** The version that it speaks, where it speaks another. */
  readonly actual?: string | undefined;
}

const faultCodes: ReadonlySet<unknown> = new Set<ServerFault["code"]>([
  "UNREACHABLE",
  "TIMEOUT",
  "INCOMPATIBLE",
  "REFUSED",
]);

/** Whether it is what {@link probe} rejects with, and not an error of the system's or of Node's. */
export const isServerFault = (thrown: unknown): thrown is ServerFault =>
  typeof thrown === "object" &&
  thrown !== null &&
  !(thrown instanceof Error) &&
  "code" in thrown &&
  faultCodes.has(thrown.code);

/** After such a silence the system asks whether the other side is still there, in milliseconds. */
const keepAliveMs = 10_000;

/** Calls `onOpen` when bytes can be sent. */
export function connectTo({ host, port, key }: Server, onOpen: () => void): Socket {
  if (key === undefined)
    return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }, onOpen);
  const socket = connectTls({ host, port, ...clientTunnel(key) }, onOpen);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
}

/** Takes a server's end of a handshake for what it says of the key, where it says something. */
function faultOf(error: Error & { readonly code?: string }, server: Server): ServerFault {
  const { code = "" } = error;
  // With another key the server ends the handshake by an alert, and a server without TLS sends none of its words. One that
  // has no room for another connection just ends it.
  if (server.key !== undefined && (code.startsWith("ERR_SSL") || code === "EPROTO"))
    return { code: "REFUSED", reason: `the tunnel could not be opened, as with another key: ${error.message.trim()}` };
  return { code: "UNREACHABLE", reason: error.message };
}

const otherProtocol: ServerFault = { code: "INCOMPATIBLE", reason: "what it answers is not ggml's RPC" };

/** What every answer to HELLO begins with. */
const helloLength = Buffer.alloc(8);
helloLength.writeBigUInt64LE(BigInt(helloAnswerBytes - 8));

/** How many devices the server has. Rejects with a {@link ServerFault}. */
export function probe(server: Server, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject: (fault: ServerFault) => void) => {
    let isOpen = false;
    let received = Buffer.alloc(0);
    let isGreeted = false;
    const socket = connectTo(server, () => {
      isOpen = true;
      socket.write(helloRequest());
    });
    const end = (settle: () => void) => {
      late.cancel();
      socket.destroy();
      settle();
    };
    const fail = (fault: ServerFault) => end(() => reject(fault));
    const late = limitSilence(timeoutMs, () => {
      const reason = isOpen
        ? "it takes connections but does not answer; another client may be using it"
        : "no connection was made";
      fail({ code: "TIMEOUT", reason });
    });
    socket.on("error", (error) => fail(faultOf(error, server)));
    socket.on("close", () => {
      if (
        received.length > 0 &&
        !isGreeted &&
        !helloLength.subarray(0, received.length).equals(received.subarray(0, 8))
      )
        fail(otherProtocol);
      else if (isOpen)
        fail({
          code: "UNREACHABLE",
          reason:
            "it ended the connection at the greeting, as one does that is busy, is starting again, wants a key, or speaks another version",
        });
      else fail(faultOf(new Error("the connection was closed"), server));
    });
    socket.on("data", (piece) => {
      received = Buffer.concat([received, piece]);
      if (!isGreeted) {
        if (received.length < 8) return;
        if (!received.subarray(0, 8).equals(helloLength)) return fail(otherProtocol);
        if (received.length < helloAnswerBytes) return;
        const actual = versionOf(received);
        if (actual !== protocolVersion)
          return fail({
            code: "INCOMPATIBLE",
            reason: `it speaks version ${actual} of ggml's RPC, and llama.cpp here version ${protocolVersion}`,
            actual,
          });
        isGreeted = true;
        received = received.subarray(helloAnswerBytes);
        socket.write(deviceCountRequest());
      }
      if (received.length < deviceCountAnswerBytes) return;
      const devices = devicesOf(received);
      if (devices === undefined || devices === 0 || devices > 64)
        return fail({ code: "INCOMPATIBLE", reason: `it has ${devices ?? "no number of"} devices` });
      end(() => resolve(devices));
    });
  });
}
