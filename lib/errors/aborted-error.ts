/**
 * What the addon rejects with when a stage was aborted. It never leaves the package: the facade replaces it by the
 * reason of the signal that aborted.
 */
export class AbortedError extends Error {
  override readonly name = "AbortedError";
  readonly code = "ERR_ABORTED";
}
