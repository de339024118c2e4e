/** Leads to the servers that a model's layers are to lie on. The engine loads this only where there are any. */

import { openRelay, type Relay } from "./relay.js";

const defaultTimeoutMs = 10_000;
const defaultStallTimeoutMs = 120_000;

/** A server, and how it is called in messages. */
export interface AskedServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Without one the connection is plain. */
  readonly keyFile: string | undefined;
}

/** How long a server may take; see `RemoteOptions`. */
export interface AskedPatience {
  readonly timeoutMs?: number | undefined;
  readonly stallTimeoutMs?: number | undefined;
}

export interface RemoteLink {
  /** Where llama.cpp finds the servers, in their order. */
  readonly endpoints: readonly string[];
  close(): Promise<void>;
}

/**
 * Asks all servers whether they are there, and opens a relay to each.
 *
 * Rejects with the codes of RemoteError, and with ERR_ABORTED.
 */
export async function connectRemote(
  servers: readonly AskedServer[],
  { timeoutMs = defaultTimeoutMs, stallTimeoutMs = defaultStallTimeoutMs }: AskedPatience,
  signal: AbortSignal,
): Promise<RemoteLink> {
  const opened = await Promise.allSettled(
    servers.map(({ url, ...address }) => openRelay({ ...address, url, timeoutMs, stallTimeoutMs }, signal)),
  );
  const link = linkOf(opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
  const failed = opened.find((one) => one.status === "rejected");
  if (!failed) return link;
  await link.close();
  throw failed.reason;
}

const linkOf = (relays: readonly Relay[]): RemoteLink => ({
  endpoints: relays.map(({ endpoint }) => endpoint),
  close: async () => {
    await Promise.all(relays.map((relay) => relay.close()));
  },
});
