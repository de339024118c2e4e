/** A listener between a client and a server, whose connections can be harmed in the middle. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Harm } from "./scene.js";

interface Connection {
  /** To the client. */
  readonly near: Socket;
  /** To the server. */
  readonly far: Socket;
}

export class Wire {
  readonly port: number;
  readonly #server: Server;
  readonly #connections: Set<Connection>;

  private constructor(server: Server, connections: Set<Connection>) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#connections = connections;
  }

  /** @param port where the server listens */
  static async to(port: number): Promise<Wire> {
    const connections = new Set<Connection>();
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: "127.0.0.1", port, noDelay: true });
      const connection = { near, far };
      connections.add(connection);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on("error", () => {});
        one.on("data", (bytes) => {
          if (!other.write(bytes)) one.pause();
        });
        other.on("drain", () => one.resume());
        // As a network does: whoever is there still learns of it, unless a harm has come between.
        one.once("close", () => {
          if (connections.delete(connection)) other.destroy();
        });
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Wire(server, connections);
  }

  async close(): Promise<void> {
    for (const { near, far } of this.#connections) {
      near.destroy();
      far.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Does something to every connection, and ends what is left of them afterwards. */
  #toAll(work: (connection: Connection) => void): () => void {
    const harmed = [...this.#connections];
    for (const connection of harmed) {
      this.#connections.delete(connection);
      work(connection);
    }
    return () => {
      for (const { near, far } of harmed) {
        near.destroy();
        far.destroy();
      }
    };
  }

  /** Whatever comes is left where it is. */
  static #silence(socket: Socket): void {
    socket.removeAllListeners("data");
    socket.removeAllListeners("drain");
    socket.pause();
  }

  readonly harms: readonly Harm[] = [
    {
      name: "connection cut",
      begin: () =>
        this.#toAll(({ near, far }) => {
          near.destroy();
          far.destroy();
        }),
    },
    {
      name: "cut, which the client is not told",
      begin: () =>
        this.#toAll(({ near, far }) => {
          Wire.#silence(near);
          far.destroy();
        }),
    },
    {
      name: "cut, which the server is not told",
      begin: () =>
        this.#toAll(({ near, far }) => {
          Wire.#silence(far);
          near.destroy();
        }),
    },
    {
      name: "network silent",
      begin: () =>
        this.#toAll(({ near, far }) => {
          Wire.#silence(near);
          Wire.#silence(far);
        }),
    },
  ];
}
