/** What `overfill importance` does: measures with a progress bar, and tells what was found. */

import { type MeasureImportanceOptions, measureImportance } from "../prune/index.js";
import type { ImportanceFlags } from "./importance-command.js";
import { renderImportance } from "./importance-tables.js";
import { runWork } from "./work.js";

export async function runImportance(options: MeasureImportanceOptions, flags: ImportanceFlags): Promise<void> {
  await runWork(flags, (watch) => measureImportance({ ...options, ...watch }), renderImportance);
}
