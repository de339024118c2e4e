/** Makes errors from their code alone; for this package's own code, TypeScript and native. */

import { errorOfCode, type OverfillError } from "./classes.js";
import type { ErrorDetails, ErrorOf, OverfillErrorCode } from "./types.js";

/**
 * What the addon rejects with when a stage was aborted. It never leaves the package: the facade replaces it by the
 * reason of the signal that aborted.
 */
export class AbortedError extends Error {
  override readonly name = "AbortedError";
  readonly code = "ERR_ABORTED";
}

/** @param cause the error that led to this one, if one did */
export function createError<Code extends OverfillErrorCode>(
  code: Code,
  message: string,
  details: ErrorDetails<Code>,
  cause?: unknown,
): ErrorOf<Code> {
  return errorOfCode(code, message, details as object, cause) as ErrorOf<Code>;
}

/**
 * The native side makes all its errors through this function.
 *
 * @param code a public code, or `ERR_ABORTED`
 */
export function createNativeError(
  code: string,
  message: string,
  details: Readonly<Record<string, string | number | boolean>>,
): OverfillError | AbortedError {
  return code === "ERR_ABORTED" ? new AbortedError(message) : errorOfCode(code, message, details);
}
