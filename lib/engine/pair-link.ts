/** The way to what of a pair is on other machines: devices that its prefill model lies on, or a server that reads in its place. */

import type { NativePair, NativePairInfo } from "../internal/binding-types.js";
import { toPath } from "../internal/check-options.js";
import { remoteAddresses } from "./remote-validation.js";
import type { PairInfo } from "./results.js";
import type { AskedPair } from "./writer-validation.js";

/** What was loaded, and where it runs. */
export type LoadedPair = NativePairInfo & Pick<PairInfo, "gpu">;

export interface PairLink {
  /** Where llama.cpp finds the devices. */
  readonly endpoints?: readonly string[];
  /** Which model reads in the prefill model's place. */
  readonly reader?: string;
  /** The pair with the server's part. */
  wrap?(native: NativePair): NativePair;
  close(): Promise<void>;
}

/** Whether some of a pair is elsewhere. */
export const needsLink = ({ checked, service }: AskedPair) =>
  service !== undefined || checked.prefill.devices !== undefined;

/**
 * Opens the way; undefined where all is here, and then nothing of it is loaded. Rejects with the codes of RemoteError, and with
 * ERR_ABORTED where `signal` comes.
 */
export async function openLink(asked: AskedPair, signal: AbortSignal): Promise<PairLink | undefined> {
  const { checked, service } = asked;
  if (!needsLink(asked)) return undefined;
  if (service) {
    const { linkService } = await import("../reader/pair-elsewhere.js");
    return linkService(service, checked.remote ?? {}, signal);
  }
  const servers = remoteAddresses(checked.prefill, "options.prefill").map(({ key, ...address }, i) => ({
    ...address,
    keyFile: key === undefined ? undefined : toPath(key, `options.prefill.devices.${i}.key`),
  }));
  const { connectRemote } = await import("../remote/connect.js");
  return connectRemote(servers, checked.remote ?? {}, signal);
}
