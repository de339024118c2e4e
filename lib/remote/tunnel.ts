/**
 * The tunnel around ggml's RPC: TLS with a key that both ends have, so that each proves to the other that it has it, and
 * an ephemeral exchange, so that a key that is lost later opens nothing that was recorded. Node's keys of this kind are
 * those of TLS 1.2.
 */

import { constants, timingSafeEqual } from "node:crypto";
import type { ConnectionOptions, TlsOptions } from "node:tls";
import type { Key } from "./key.js";

const common = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
} as const;

/** For `tls.connect`. */
export function clientTunnel(key: Key): ConnectionOptions {
  return {
    ...common,
    pskCallback: () => ({ psk: key.secret, identity: key.name }),
    // The server has no certificate: it has the key.
    checkServerIdentity: () => undefined,
  };
}

/** For `tls.createServer`. */
export function serverTunnel(key: Key, handshakeTimeoutMs: number): TlsOptions {
  const own = Buffer.from(key.name);
  return {
    ...common,
    // Every connection has the whole handshake, and has it once.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: handshakeTimeoutMs,
    pskCallback: (_socket, identity) => {
      const theirs = Buffer.from(identity);
      return theirs.length === own.length && timingSafeEqual(theirs, own) ? key.secret : null;
    },
  };
}
