/** Errors on their way from the host to the app: as plain data there, and here as the addon made them. */

import { AbortedError, createError } from "../errors/create-error.js";
import { errorToJson, isError } from "../errors/error-json.js";
import { OverfillError } from "../errors/index.js";
import type { ErrorJson } from "../errors/types.js";

export function jsonOf(error: unknown): ErrorJson {
  return errorToJson(isError(error) ? error : new Error(String(error)));
}

/** What a call in the host failed with. An error that is not of this package is a fault of this package there. */
export function errorOfHost(json: ErrorJson): Error {
  if (json.code === "ERR_ABORTED") return new AbortedError(json.message);
  const error = OverfillError.fromJSON(json);
  return json.code === undefined ? createError("ERR_INTERNAL", json.message, {}, error) : error;
}
