/**
 * Gives errors the stack of the public call that they come from. Native work fails on another thread, and code that ran
 * after an `await` has lost its caller: by itself such an error would not show a line of the user's program.
 */
import { OverfillError } from "../errors/index.js";

/** Where a public call began; costs one capture of the stack and no formatting. */
export interface CallSite {
  readonly stack?: string;
}

/** @param above the function whose caller is the first frame */
export function callSite(above: (...args: never[]) => unknown = callSite): CallSite {
  const site: CallSite = {};
  Error.captureStackTrace(site, above);
  return site;
}

/** The error, with the stack of the call if it is one of this package; others are left as they are. */
export function placedAt(site: CallSite, error: unknown): unknown {
  if (!OverfillError.isInstance(error)) return error;
  const frames = site.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
  if (frames.length > 0) error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
  return error;
}

/** Runs the body of an asynchronous public call: an error of this package that leaves it has its caller's stack. */
export async function fromCaller<Result>(work: () => Promise<Result>): Promise<Result> {
  const site = callSite(fromCaller);
  try {
    return await work();
  } catch (error) {
    throw placedAt(site, error);
  }
}

/** The same for a synchronous call, which needs its stack only when it fails. */
export function syncFromCaller<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (OverfillError.isInstance(error)) Error.captureStackTrace(error, syncFromCaller);
    throw error;
  }
}
