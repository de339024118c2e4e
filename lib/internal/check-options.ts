/** Checks what callers hand over. Every refusal names the parameter, what was expected and what came, in one wording. */

import { fileURLToPath } from "node:url";
import { createError } from "../errors/create-error.js";
import type { InvalidArgumentError } from "../errors/index.js";
import { explain } from "./expectations.js";
import { nearestName } from "./nearest-name.js";
import { isUrl, path } from "./option-schemas.js";
import { isPackedInArchive, unpackedPath } from "./package-files.js";
import { type output, type Schema, safeParse } from "./schema.js";

/** A short rendering of a refused value. */
function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an instance of ${value.constructor?.name ?? "Object"}`;
  return String(value);
}

function at(value: unknown, keys: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of keys) current = (current as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return current;
}

/** Parses, or throws ERR_INVALID_ARGUMENT naming the parameter, what was expected and what came. */
export function check<Of extends Schema>(schema: Of, value: unknown, name: string): output<Of> {
  const parsed = safeParse(schema, value);
  if (parsed.success) return parsed.data;
  const { keys, expected, names } = explain(schema, parsed.error.issues);
  const parameter = [name, ...keys].join(".");
  const actual = at(value, keys);
  const mistyped = expected === "no such option" ? String(keys.at(-1)) : actual;
  const suggestion = typeof mistyped === "string" ? nearestName(mistyped, names) : undefined;
  throw refusedArgument(parameter, expected, describe(actual), suggestion);
}

/**
 * The error for an argument that is wrong.
 *
 * @param suggestion the name that was probably meant
 */
export function refusedArgument(
  parameter: string,
  expected: string,
  actual: string,
  suggestion?: string,
): InvalidArgumentError {
  const hint = suggestion === undefined ? "" : ` (did you mean ${JSON.stringify(suggestion)}?)`;
  return createError("ERR_INVALID_ARGUMENT", `${parameter}: ${expected}; got ${actual}${hint}`, {
    parameter,
    expected,
    actual,
    ...(suggestion !== undefined && { suggestion }),
  });
}

/** A path for the file system. Refuses other URLs, and a zero byte, at which the system would cut the path off. */
export function toPath(file: string | URL, parameter: string): string {
  const path = isUrl(file) ? pathOfUrl(file, parameter) : file;
  if (path.includes("\0")) throw notAPath(JSON.stringify(path), parameter);
  const unpacked = unpackedPath(path);
  if (isPackedInArchive(unpacked))
    throw notAPath(
      path,
      parameter,
      "a file that Electron's archive leaves unpacked (asarUnpack), because native code opens it",
    );
  return unpacked;
}

function pathOfUrl(url: URL, parameter: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    // Another protocol, a host, or an escaped slash: no path can stand for it.
    throw notAPath(url.href, parameter);
  }
}

function notAPath(actual: string, parameter: string, expected = "a path or a file: URL") {
  return refusedArgument(parameter, `expected ${expected}`, actual);
}

/** A path or a `file:` URL as a path. */
export const checkFilePath = (value: unknown, name: string): string => toPath(check(path(), value, name), name);
