/** A server that reads (`/v1/prefill`), the way to it, and pairs of a decode model alone that have their prompts read there. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type LoadPairOptions, loadPair, type Pair, type PrefillService } from "../../lib/index.js";
import { type RunningServer, type ServeOptions, serve } from "../../lib/server/index.js";
import { openPair, type PairRecipe, quiet } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";

type Teardown = Pick<ExecutionContext, "teardown">;

export const full: TinyModelOptions = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 1024 };
export const small: TinyModelOptions = { nEmbd: 64, nFf: 64, nLayers: 4, contextLength: 1024, seed: 2 };

/** A pair with its models in files, since a client has the decode model's too. */
export interface Models {
  readonly prefill: string;
  readonly decode: string;
}

export async function writeModels(
  t: Teardown,
  prefill: TinyModelOptions = full,
  decode: TinyModelOptions = small,
): Promise<Models> {
  const dir = withTempDir(t);
  return {
    prefill: (await writeTinyModel(join(dir, "prefill.gguf"), prefill)).path,
    decode: (await writeTinyModel(join(dir, "decode.gguf"), decode)).path,
  };
}

export interface Reader {
  readonly pair: Pair;
  readonly server: RunningServer;
}

/** Serves a pair. */
export async function openReader(
  t: Teardown,
  models: Models,
  {
    serving = {},
    ...options
  }: Omit<PairRecipe, "prefill" | "decode"> & { readonly serving?: Partial<ServeOptions> } = {},
): Promise<Reader> {
  const pair = await openPair(t, { ...models, contextSize: 1024, ...options });
  const server = await serve({ models: { big: pair }, port: 0, ...serving });
  t.teardown(() => server.close());
  return { pair, server };
}

/** A pair of the decode model that has its prompts read at a URL. */
export async function openWriter(
  t: Teardown,
  { decode }: Pick<Models, "decode">,
  prefill: string | PrefillService,
  options: Partial<Omit<LoadPairOptions, "prefill" | "decode">> & { readonly decodeSource?: object } = {},
): Promise<Pair> {
  const { decodeSource, ...rest } = options;
  const pair = await loadPair({
    ...{ ...quiet, prefixCache: false, contextSize: 1024 },
    ...rest,
    prefill: typeof prefill === "string" ? { url: prefill } : prefill,
    decode: { model: decode, ...decodeSource },
  });
  t.teardown(() => pair.dispose());
  return pair;
}

/** A way to a port on which bytes are counted, and which can be cut, stopped and falsified. */
export interface Wire {
  readonly url: string;
  readonly port: number;
  /** Bytes that came from the server. */
  received: number;
  /** What the client sent. */
  readonly said: Buffer[];
  /** Connections that are open. */
  readonly open: number;
  /** Is called with what comes from the server, and gives what goes on; undefined: nothing, and the connection is cut. */
  through: (bytes: Buffer) => Buffer | undefined;
  cut(): void;
  /** Holds back whatever comes from then on. */
  pause(): void;
  resume(): void;
}

export async function wireTo(t: Teardown, port: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let paused = false;
  const held: (() => void)[] = [];
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes: Buffer) => {
      wire.said.push(bytes);
      upstream.write(bytes);
    });
    upstream.on("data", (bytes: Buffer) => {
      const pass = () => {
        wire.received += bytes.length;
        const out = wire.through(bytes);
        if (out) client.write(out);
        else client.destroy();
      };
      if (paused) held.push(pass);
      else pass();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(() => {
    cut();
    server.close();
  });
  const ownPort = (server.address() as AddressInfo).port;
  const wire: Wire = {
    url: `http://127.0.0.1:${ownPort}`,
    port: ownPort,
    received: 0,
    said: [],
    get open() {
      return sockets.size / 2;
    },
    through: (bytes) => bytes,
    cut,
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      for (const pass of held.splice(0)) pass();
    },
  };
  return wire;
}
