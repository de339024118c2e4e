/** What padding made of a model. */

import type { PadResult } from "../../../prune/index.js";
import { renderFiles, renderSizes } from "../../model-size-tables.js";

export function renderPadded(result: PadResult): string {
  return [renderSizes(result.before, result.after), renderFiles(result, result.after)].join("\n\n");
}
