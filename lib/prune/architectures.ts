/** Which models can be pruned. */

import { loadBinding } from "../internal/load-binding.js";
import { type PrunableArchitecture, toArchitecture } from "./results.js";

/** The architectures whose models {@link prune} takes. Throws the loader's codes. */
export function prunableArchitectures(): readonly PrunableArchitecture[] {
  return loadBinding().prunableArchitectures().map(toArchitecture);
}
