/**
 * What clients connect to, in front of llama.cpp's RPC server, which takes anything from anybody and serves one client
 * after another: a listener that opens the tunnel where there is a key, bounds how many connections there are and how long
 * a greeting and a wait may take, and lets through one at a time.
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createError } from "../../errors/create-error.js";
import { limitSilence, type SilenceLimit } from "../../internal/silence-limit.js";
import type { Key } from "../../remote/key.js";
import { isOwnListener } from "../../remote/peer-user.js";
import { serverTunnel } from "../../remote/tunnel.js";

/** For a handshake, and then for a client's first words, in milliseconds. */
const greetingMs = 10_000;
/** Of which most have not shown the key yet. Where one more comes, the oldest of those goes. */
const mostConnections = 64;
/** A client opens one connection after another, and another client waits for the first to go. */
const mostWaiting = 8;
/** For another client to go, in milliseconds. */
const waitMs = 60_000;
/** llama.cpp greets and waits for the answer: who says more meanwhile is another program. */
const mostHeldBytes = 4096;
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
  /** @default 60,000 */
  readonly waitMs?: number | undefined;
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
  /** What it has said before it is served. It is read, since only so its end is noticed. */
  readonly held: Buffer[];
  readonly hold: (piece: Buffer) => void;
}

export class Front {
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Those that have not shown the key, by their addresses, the oldest first. */
  readonly #unproved = new Map<string, Socket>();
  #receivedBytes = 0;
  #sentBytes = 0;
  #served: Client | undefined;
  /** In their order, with what ends their wait. */
  readonly #waiting = new Map<Client, SilenceLimit>();

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
    this.#server.on("connection", (socket: Socket) => this.#admit(socket));
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

  /** A connection of anybody. */
  #admit(socket: Socket): void {
    const address = addressOf(socket);
    this.#sockets.add(socket);
    socket.on("error", () => {});
    const forget = () => {
      this.#sockets.delete(socket);
      if (this.#unproved.get(address) === socket) this.#unproved.delete(address);
    };
    socket.once("close", forget);
    if (this.#options.key === undefined) return;
    this.#unproved.set(address, socket);
    if (this.#sockets.size <= mostConnections) return;
    const [oldest] = this.#unproved;
    if (oldest === undefined) return;
    const [oldestAddress, other] = oldest;
    // At once: its end takes a moment to be told, in which more may come.
    this.#unproved.delete(oldestAddress);
    this.#sockets.delete(other);
    other.destroy();
  }

  /** A client that has shown the key. */
  #take(socket: Socket): void {
    const address = addressOf(socket);
    this.#unproved.delete(address);
    socket.on("error", () => {});
    socket.setNoDelay(true);
    // A peer that is gone without a word is noticed, unless something is on its way to it: then by the system alone.
    socket.setKeepAlive(true, 30_000);
    const held: Buffer[] = [];
    let heldBytes = 0;
    const hold = (piece: Buffer) => {
      held.push(piece);
      heldBytes += piece.length;
      if (heldBytes > mostHeldBytes) this.#refuse(client, "it does not wait for its turn");
    };
    const client: Client = { socket, address, held, hold };
    socket.on("data", hold);
    if (!this.#served) void this.#serve(client);
    else if (this.#waiting.size >= mostWaiting) this.#refuse(client, "too many clients wait");
    else this.#wait(client);
  }

  /** Until the one before has gone, or this one. */
  #wait(client: Client): void {
    const late = limitSilence(this.#options.waitMs ?? waitMs, () =>
      this.#refuse(client, "another client was served all the while"),
    );
    this.#waiting.set(client, late);
    client.socket.once("close", () => this.#leaveQueue(client));
  }

  #leaveQueue(client: Client): void {
    this.#waiting.get(client)?.cancel();
    this.#waiting.delete(client);
  }

  #refuse({ socket, address }: Client, reason: string): void {
    socket.destroy();
    this.#tell({ kind: "refused", address, reason });
  }

  async #serve(client: Client): Promise<void> {
    this.#served = client;
    this.#leaveQueue(client);
    const { socket, address, held, hold } = client;
    let receivedBytes = 0;
    let sentBytes = 0;
    let backend: Socket | undefined;
    let hasEnded = false;
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      late.cancel();
      socket.destroy();
      backend?.destroy();
      this.#tell({ kind: "end", address, receivedBytes, sentBytes });
      this.#served = undefined;
      const [next] = this.#waiting.keys();
      if (next) void this.#serve(next);
    };
    const firstWordsMs = this.#options.greetingMs ?? greetingMs;
    const late = limitSilence(firstWordsMs, () => {
      this.#refuse(client, `it said nothing for ${firstWordsMs} ms`);
    });
    // What was heard in the queue counts, and what is heard before the server is ready.
    let heardBytes = 0;
    const hear = (piece: Buffer) => {
      heardBytes += piece.length;
      if (heardBytes < firstWordsBytes) return;
      late.cancel();
      socket.off("data", hear);
    };
    held.forEach(hear);
    socket.on("data", hear);
    socket.once("close", end);
    this.#tell({ kind: "client", address });
    let port: number;
    try {
      port = await this.#options.backend();
    } catch {
      return end();
    }
    if (socket.destroyed) return end();
    const served = connect({ host: "127.0.0.1", port, noDelay: true }, () => {
      // Where the process has ended just now, anybody may listen at its port.
      if (!isOwnListener(port)) return end();
      const receive = (piece: Buffer) => {
        receivedBytes += piece.length;
        this.#receivedBytes += piece.length;
      };
      socket.off("data", hold);
      for (const piece of held.splice(0)) {
        receive(piece);
        served.write(piece);
      }
      socket.on("data", receive);
      socket.pipe(served);
    });
    backend = served;
    served.on("error", end);
    served.once("close", end);
    served.on("data", (piece) => {
      sentBytes += piece.length;
      this.#sentBytes += piece.length;
    });
    served.pipe(socket);
  }

  #tell(event: FrontEvent): void {
    this.#options.onEvent?.(event);
  }
}

const addressOf = ({ remoteAddress = "a client that has gone", remotePort }: Socket): string =>
  remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`;
