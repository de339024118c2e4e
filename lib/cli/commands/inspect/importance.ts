/** What `overfill inspect` does with an importance file. */

import type { Importance } from "../../../prune/index.js";
import { renderImportance } from "../../importance-tables.js";
import { write } from "../../terminal.js";
import type { InspectFlags } from "./flags.js";

/** Explains the importance on stdout; as JSON with every score. */
export async function inspectImportanceFile(importance: Importance, { json }: InspectFlags): Promise<void> {
  const text = json ? JSON.stringify(importance, undefined, 2) : renderImportance(importance);
  await write(process.stdout, `${text}\n`);
}
