/** What `overfill importance` does: measures with a progress bar, and tells what was found. */

import { measureImportance } from "../../../prune/index.js";
import { renderImportance } from "../../importance-tables.js";
import { runWork } from "../../work.js";
import { type ImportanceFlags, toImportanceOptions } from "./flags.js";

export async function runImportance(model: string, flags: ImportanceFlags): Promise<void> {
  const options = toImportanceOptions(model, flags);
  await runWork(flags, (watch) => measureImportance({ ...options, ...watch }), renderImportance);
}
