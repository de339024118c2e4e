/** Errors of this package that the AI SDK takes for its own: its `isInstance` looks for marks, whatever the class. */

import { createError } from "../errors/create-error.js";
import type { OverfillError } from "../errors/index.js";

function marked(error: OverfillError, name: string, facts: Readonly<Record<string, string>>): OverfillError {
  return Object.assign(error, facts, {
    [Symbol.for("vercel.ai.error")]: true,
    [Symbol.for(`vercel.ai.error.${name}`)]: true,
  });
}

/** Passes the SDK's `NoSuchModelError.isInstance`. */
export function noSuchModel(modelId: string, modelType: string, known: readonly string[]): OverfillError {
  const expected = known.length > 0 ? `expected ${known.map((name) => JSON.stringify(name)).join(" or ")}` : "none";
  const message = known.length > 0 ? `${expected}; got ${JSON.stringify(modelId)}` : `there is no ${modelType}`;
  const error = createError("ERR_INVALID_ARGUMENT", `modelId: ${message}`, {
    parameter: "modelId",
    expected,
    actual: JSON.stringify(modelId),
  });
  return marked(error, "AI_NoSuchModelError", { modelId, modelType });
}

/** Passes the SDK's `UnsupportedFunctionalityError.isInstance`. */
export function unsupported(functionality: string, parameter: string): OverfillError {
  const error = createError("ERR_INVALID_ARGUMENT", `${parameter}: ${functionality} are not supported`, { parameter });
  return marked(error, "AI_UnsupportedFunctionalityError", { functionality });
}
