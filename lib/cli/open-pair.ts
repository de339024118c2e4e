/** Loads a command's pair: here, or in a process of its own where its prefill model lies on another machine's devices. */

import { type LoadPairOptions, loadPair, type Pair } from "../engine/index.js";

/** Rejects with what `loadPair` and `loadPairInHost` reject with. */
export async function openPair(options: LoadPairOptions): Promise<Pair> {
  if (!("devices" in options.prefill) || options.prefill.devices === undefined) return loadPair(options);
  const { loadPairInHost } = await import("../host/index.js");
  return loadPairInHost(options);
}
