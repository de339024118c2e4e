/** Loads the pair of a model: in this process, or in one of its own, whose crash costs requests and not the server. */

import { type LoadPairOptions, loadPair, type Pair } from "../engine/index.js";
import { OverfillError } from "../errors/index.js";
import { ApiError } from "./api-error.js";

export async function loadModel(options: LoadPairOptions, inHost: boolean): Promise<Pair> {
  if (!inHost) return loadPair(options);
  // A server without hosts does not load what they are made of.
  const { loadPairInHost } = await import("../host/index.js");
  return loadPairInHost(options);
}

/** Whether a request failed because its model's process is not started again: the model has to be loaded anew. */
export function isGivenUp(error: unknown): boolean {
  const cause = error instanceof ApiError ? error.cause : error;
  return OverfillError.isInstance(cause) && cause.code === "ERR_HOST_CRASH_LOOP";
}
