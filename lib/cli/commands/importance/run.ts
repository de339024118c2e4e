/** What `overfill importance` does: measures with a progress bar, and tells what was found. */

import { measureImportance, measureImportanceMatrix } from "../../../prune/index.js";
import { renderImportance } from "../../importance-tables.js";
import { visibleText } from "../../visible.js";
import { runWork } from "../../work.js";
import { type ImportanceFlags, toImportanceOptions, toMatrixOptions } from "./flags.js";
import { renderMatrix } from "./render.js";

export async function runImportance(model: string, flags: ImportanceFlags): Promise<void> {
  if (flags.imatrix) {
    const options = toMatrixOptions(model, flags);
    const named = visibleText(model);
    await runWork(
      flags,
      (watch) => measureImportanceMatrix({ ...options, ...watch }),
      (matrix) => renderMatrix(matrix, named),
    );
    return;
  }
  const options = toImportanceOptions(model, flags);
  await runWork(flags, (watch) => measureImportance({ ...options, ...watch }), renderImportance);
}
