/** Errors as plain data, which crosses threads, processes and files, and back. */

import type { ErrorJson } from "./types.js";

type Properties = Readonly<Record<string, unknown>>;

/** Whether it is an error of any realm. */
export function isError(value: unknown): value is Error {
  return Object.prototype.toString.call(value) === "[object Error]" || value instanceof Error;
}

export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null;
}

/** An error's own facts and those of what caused it. */
export function errorToJson(error: Error): ErrorJson {
  const { name, message, stack, cause, code, details } = error as Error & Properties;
  return {
    name,
    message,
    ...(typeof code === "string" && { code }),
    ...(isObject(details) && { details }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && { cause: causeToJson(cause) }),
  };
}

function causeToJson(cause: unknown): unknown {
  if (isError(cause)) return errorToJson(cause);
  if (!isObject(cause)) return typeof cause === "bigint" || typeof cause === "symbol" ? String(cause) : cause;
  try {
    return JSON.parse(JSON.stringify(cause) ?? "null");
  } catch {
    // It refers to itself or holds what JSON has not: its name must do.
    return String(cause);
  }
}

/** Whether a value has the shape that {@link errorToJson} gives; an error has it, too. */
export function isErrorJson(value: unknown): value is ErrorJson {
  return isObject(value) && typeof value.message === "string" && typeof value.name === "string";
}

/** What caused an error that was plain data. An error without a code of this package becomes a plain `Error`. */
export function causeFromJson(cause: unknown, coded: (json: ErrorJson) => Error): unknown {
  if (!isErrorJson(cause)) return cause;
  if (cause.code?.startsWith("ERR_") && cause.details !== undefined) return coded(cause);
  const error = new Error(
    cause.message,
    cause.cause === undefined ? undefined : { cause: causeFromJson(cause.cause, coded) },
  );
  Object.defineProperty(error, "name", { value: cause.name, configurable: true, writable: true });
  if (cause.stack !== undefined) error.stack = cause.stack;
  if (cause.code !== undefined) Object.assign(error, { code: cause.code });
  return error;
}
