/**
 * What clients connect to, in front of llama.cpp's RPC server, which takes anything from anybody and serves one client
 * after another: a listener that opens the tunnel where there is a key, bounds how many connections there are and how long
 * a greeting may take, and lets through one at a time.
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createError } from "../../errors/create-error.js";
import type { Key } from "../../remote/key.js";
import { serverTunnel } from "../../remote/tunnel.js";

/** For a handshake, and then for a client's first words, in milliseconds. */
const greetingMs = 10_000;
/** Of which most have not shown the key yet. */
const mostConnections = 64;
/** A client opens one connection after another, and another client waits for the first to go. */
const mostWaiting = 8;
/** The head of a request. */
const firstWordsBytes = 9;

export interface FrontOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Undefined: whoever connects is served. */
  readonly key: Key | undefined;
  /** @default 10,000 */
  readonly greetingMs?: number | undefined;
  /** Where llama.cpp serves. */
  readonly backend: () => Promise<number>;
  readonly onEvent?: ((event: FrontEvent) => void) | undefined;
}

export type FrontEvent =
  | { readonly kind: "client"; readonly address: string }
  | {
      readonly kind: "end";
      readonly address: string;
      readonly receivedBytes: number;
      readonly sentBytes: number;
    }
  | { readonly kind: "refused"; readonly address: string; readonly reason: string };

interface Client {
  readonly socket: Socket;
  readonly address: string;
}

export class Front {
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #receivedBytes = 0;
  #sentBytes = 0;
  #served: Client | undefined;
  #waiting: Client[] = [];

  private constructor(options: FrontOptions) {
    this.#options = options;
    const { key } = options;
    if (key === undefined) this.#server = createServer((socket) => this.#take(socket));
    else {
      const tunnel = createTlsServer(serverTunnel(key, options.greetingMs ?? greetingMs), (socket) =>
        this.#take(socket),
      );
      tunnel.on("tlsClientError", (error, socket) => {
        const address = addressOf(socket);
        socket.destroy();
        this.#tell({ kind: "refused", address, reason: error.message.trim() });
      });
      this.#server = tunnel;
    }
    this.#server.maxConnections = mostConnections;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Rejects with ERR_REMOTE_UNREACHABLE where the address cannot be listened on. */
  static async listen(options: FrontOptions): Promise<Front> {
    const front = new Front(options);
    const { host, port } = options;
    front.#server.listen({ host, port });
    try {
      await once(front.#server, "listening");
    } catch (error) {
      const address = `${host}:${port}`;
      const message = `the server cannot listen on ${address}: ${(error as Error).message}`;
      throw createError("ERR_REMOTE_UNREACHABLE", message, { address }, error);
    }
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Of all clients so far. */
  get traffic(): { readonly receivedBytes: number; readonly sentBytes: number } {
    return { receivedBytes: this.#receivedBytes, sentBytes: this.#sentBytes };
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** A client that has shown the key. */
  #take(socket: Socket): void {
    socket.on("error", () => {});
    socket.setNoDelay(true);
    // A peer that is gone without a word is noticed within a minute.
    socket.setKeepAlive(true, 30_000);
    const client = { socket, address: addressOf(socket) };
    if (!this.#served) void this.#serve(client);
    else if (this.#waiting.length >= mostWaiting) {
      socket.destroy();
      this.#tell({ kind: "refused", address: client.address, reason: "too many clients wait" });
    } else {
      this.#waiting.push(client);
      socket.once("close", () => {
        this.#waiting = this.#waiting.filter((other) => other !== client);
      });
    }
  }

  async #serve(client: Client): Promise<void> {
    this.#served = client;
    const { socket, address } = client;
    let receivedBytes = 0;
    let sentBytes = 0;
    let backend: Socket | undefined;
    let hasEnded = false;
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(late);
      socket.destroy();
      backend?.destroy();
      this.#tell({ kind: "end", address, receivedBytes, sentBytes });
      this.#served = undefined;
      const next = this.#waiting.shift();
      if (next) void this.#serve(next);
    };
    const late = setTimeout(end, this.#options.greetingMs ?? greetingMs);
    socket.once("close", end);
    this.#tell({ kind: "client", address });
    let port: number;
    try {
      port = await this.#options.backend();
    } catch {
      return end();
    }
    if (socket.destroyed) return end();
    backend = connect({ host: "127.0.0.1", port, noDelay: true });
    backend.on("error", end);
    backend.once("close", end);
    socket.on("data", (piece) => {
      receivedBytes += piece.length;
      this.#receivedBytes += piece.length;
      if (receivedBytes >= firstWordsBytes) clearTimeout(late);
    });
    backend.on("data", (piece) => {
      sentBytes += piece.length;
      this.#sentBytes += piece.length;
    });
    socket.pipe(backend);
    backend.pipe(socket);
  }

  #tell(event: FrontEvent): void {
    this.#options.onEvent?.(event);
  }
}

const addressOf = ({ remoteAddress = "a client that has gone", remotePort }: Socket): string =>
  remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`;
