/** Leads to the servers that a model's layers are to lie on. The engine loads this only where there are any. */

import type { RemoteOptions, RemotePlace } from "../engine/remote-options.js";
import { remoteAddresses } from "../engine/remote-validation.js";
import { toPath } from "../internal/check-options.js";
import { openRelay, type Relay } from "./relay.js";

const defaultTimeoutMs = 10_000;
const defaultStallTimeoutMs = 120_000;

export interface RemoteLink {
  /** Where llama.cpp finds the servers, in their order. */
  readonly endpoints: readonly string[];
  /** Bytes to and from all servers since the link was made. */
  traffic(): { readonly sentBytes: number; readonly receivedBytes: number };
  close(): Promise<void>;
}

/**
 * Asks all servers whether they are there, and opens a relay to each.
 *
 * Rejects with ERR_INVALID_ARGUMENT and the codes of RemoteError, and with ERR_ABORTED.
 */
export async function connectRemote(
  place: RemotePlace,
  options: RemoteOptions | undefined,
  signal: AbortSignal,
): Promise<RemoteLink> {
  const { timeoutMs = defaultTimeoutMs, stallTimeoutMs = defaultStallTimeoutMs } = options ?? {};
  const asked = remoteAddresses(place, "options.prefill").map(({ url, key, ...address }, i) => {
    const keyFile = key === undefined ? undefined : toPath(key, `options.prefill.devices.${i}.key`);
    return { url, data: { ...address, keyFile, timeoutMs, stallTimeoutMs } };
  });
  const opened = await Promise.allSettled(asked.map(({ url, data }) => openRelay(url, data, signal)));
  const relays = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const link = linkOf(relays);
  const failed = opened.find((one) => one.status === "rejected");
  if (!failed) return link;
  await link.close();
  throw failed.reason;
}

const linkOf = (relays: readonly Relay[]): RemoteLink => ({
  endpoints: relays.map(({ endpoint }) => endpoint),
  traffic: () => {
    const all = relays.map((relay) => relay.traffic());
    return {
      sentBytes: all.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
      receivedBytes: all.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
    };
  },
  close: async () => {
    await Promise.all(relays.map((relay) => relay.close()));
  },
});
