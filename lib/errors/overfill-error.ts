/**
 * The base of every error that the package throws.
 *
 * `instanceof` fails when two copies of the package are installed, or when an error crosses into another realm. So each
 * class marks its instances under a symbol of the global registry, and `isInstance` looks for that mark.
 */
import type { OverfillErrorCode } from "./error-code.js";

/** Facts for programs: paths, names, numbers, versions. Which keys there are depends on the code. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

const MARKER = "overfill.error";

/** Whether `error` carries the mark of the class `name`. */
export function hasMark(error: unknown, name?: string): boolean {
  const mark = Symbol.for(name === undefined ? MARKER : `${MARKER}.${name}`);
  return error instanceof Object && (error as Record<symbol, unknown>)[mark] === true;
}

/** Puts the mark of the class `name` on the prototype of that class, where a `catch` or a log does not show it. */
export function markClass(prototype: object, name?: string): void {
  Object.defineProperty(prototype, Symbol.for(name === undefined ? MARKER : `${MARKER}.${name}`), { value: true });
}

/** An error of this package. Branch on `code`, or on the class with `isInstance`. */
export class OverfillError extends Error {
  override readonly name: string = "OverfillError";
  /** What went wrong; stable between versions, unlike the message. */
  readonly code: OverfillErrorCode;
  /** Facts for programs, empty if there are none. */
  readonly details: ErrorDetails;

  /** @param cause the error that led to this one, if one did */
  constructor(code: OverfillErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  /** Whether `error` is of this class, also when another copy of the package made it. */
  static isInstance(error: unknown): error is OverfillError {
    return hasMark(error);
  }

  static {
    markClass(OverfillError.prototype);
  }
}
