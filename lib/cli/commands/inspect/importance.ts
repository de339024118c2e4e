/** What `overfill inspect` does with an importance file. */

import type { Importance } from "../../../prune/index.js";
import { renderImportance } from "../../importance-tables.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import type { InspectFlags } from "./flags.js";

/** Explains the importance on stdout; as JSON with every score. */
export async function inspectImportanceFile(importance: Importance, { json }: InspectFlags): Promise<void> {
  const text = json ? toJson(importance, 2) : renderImportance(visible(importance));
  await write(process.stdout, `${text}\n`);
}
