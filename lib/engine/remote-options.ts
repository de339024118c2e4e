/** What callers may ask of devices of other machines. */

/** A server that lends its devices, with what is needed to reach it. */
export interface RemoteServer {
  /**
   * `rpcs://HOST:PORT` for a server with a key, through a tunnel; `rpc://HOST:PORT` for one that speaks ggml's RPC as it is.
   */
  readonly url: string;
  /** Path or `file:` URL of the key that `overfill rpc-key` made, for `rpcs:` alone. Its owner alone may read the file. */
  readonly key?: string | URL | undefined;
  /**
   * Whether `rpc:` may leave this machine: prompts and caches then cross the network for all to read, and to change.
   * @default false
   */
  readonly insecure?: boolean | undefined;
}

/** A {@link RemoteServer}, or only the `url` of one on this machine. */
export type RemoteDevice = string | RemoteServer;

/** Where a model's layers lie on other machines. */
export interface RemotePlace {
  /**
   * Servers (`overfill rpc-server`) whose devices the layers lie on and are computed on, in place of this machine's GPUs: 1
   * to 16. `gpuLayers` counts the layers that go there. The file is read here, and the weights are sent.
   * @default none
   */
  readonly devices?: readonly RemoteDevice[] | undefined;
  /** Each device's share of the layers, in any unit: one number of 0 or more for each. @default by their free memory */
  readonly split?: readonly number[] | undefined;
}

/** How a pair deals with remote devices, or with a prefill server. */
export interface RemoteOptions {
  /**
   * How long a server may take to answer at first, and a connection to be made, in milliseconds: 10 or more.
   * @default 10,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a server may owe an answer while no byte moves, in milliseconds: 10 or more. It is lost then. Longer than a
   * micro-batch takes there.
   * @default 120,000
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * Whether a pair with remote devices may be loaded in this very process. llama.cpp ends the process in which it loses a
   * server, so otherwise only a host (`loadPairInHost`) takes such a pair.
   * @default false
   */
  readonly inProcess?: boolean | undefined;
}

/** A server that reads prompts in the prefill model's place: `overfill serve`, or whatever its handler is mounted in. */
export interface PrefillService {
  /** `https://HOST:PORT`, or `http:` on this machine; with the path that the handler is mounted at, without `/v1`. */
  readonly url: string;
  /** One of the server's keys. @default none */
  readonly key?: string | undefined;
  /**
   * Path or `file:` URL of a file with one of the server's keys, in place of `key`: one line; empty lines and those that begin
   * with # are none. It is read when the pair is loaded.
   * @default none
   */
  readonly keyFile?: string | URL | undefined;
  /** The model's name there. @default the server's first */
  readonly model?: string | undefined;
  /**
   * Path or `file:` URL of a PEM file with the certificates to trust, where the server's own is none that the system knows.
   * @default the system's
   */
  readonly ca?: string | URL | undefined;
  /**
   * Whether `http:` may leave this machine: prompts, caches and the key then cross the network for all to read, and to change.
   * @default false
   */
  readonly insecure?: boolean | undefined;
}
