/** What `overfill prune` does: prunes with a progress bar, and tells what became of the model. */

import { prunableArchitectures, prune } from "../../../prune/index.js";
import { write } from "../../terminal.js";
import { toJson, visibleText } from "../../visible.js";
import { runWork } from "../../work.js";
import { type PruneFlags, toPruneOptions } from "./flags.js";
import { renderArchitectures, renderPruned } from "./render.js";

export async function runPrune(model: string | undefined, flags: PruneFlags): Promise<void> {
  if (flags.architectures) return listArchitectures(flags);
  const options = toPruneOptions(model, flags);
  await runWork(
    flags,
    (watch) => prune({ ...options, ...watch }),
    (result) => renderPruned(result, visibleText(String(options.model))),
  );
}

async function listArchitectures({ json }: PruneFlags): Promise<void> {
  const rows = prunableArchitectures();
  await write(process.stdout, `${json ? toJson(rows, 2) : renderArchitectures(rows)}\n`);
}
