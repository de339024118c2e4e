/** A model as reports tell it. */

import type { ModelInfo } from "../engine/index.js";
import { toPath } from "../internal/check-options.js";
import type { EvaluatedModel } from "./report.js";

export function toModel(file: string | URL, { name, parameters, sizeBytes, adapters }: ModelInfo): EvaluatedModel {
  const own = { path: toPath(file, "model"), name, parameters, sizeBytes };
  return adapters.length > 0 ? { ...own, adapters } : own;
}
