/** Loads the pair of a model: in this process, or in one of its own, whose crash costs requests and not the server. */

import { type LoadPairOptions, loadPair, type Pair } from "../engine/index.js";
import { hasEnded } from "../internal/pair-ends.js";

/** A prefill model on other machines has a process of its own in any case: llama.cpp ends the one that loses a server. */
export async function loadModel(options: LoadPairOptions, inHost: boolean): Promise<Pair> {
  const { prefill } = options;
  const needsHost = "devices" in prefill && prefill.devices !== undefined && options.remote?.inProcess !== true;
  if (!inHost && !needsHost) return loadPair(options);
  // A server without hosts does not load what they are made of.
  const { loadPairInHost } = await import("../host/index.js");
  return loadPairInHost(options);
}

/** Whether a model's process has ended and is not started again: the model has to be loaded anew. */
export const isGivenUp = (pair: Pair): boolean => hasEnded(pair);
