/** What `overfill prune` does: prunes with a progress bar, and tells what became of the model. */

import { inspect } from "../../../engine/index.js";
import { prunableArchitectures, prune } from "../../../prune/index.js";
import { write } from "../../terminal.js";
import { toJson, visibleText } from "../../visible.js";
import { runWork } from "../../work.js";
import { type PruneFlags, toPruneOptions } from "./flags.js";
import { renderArchitectures, renderPruned } from "./render.js";

export async function runPrune(model: string | undefined, flags: PruneFlags): Promise<void> {
  if (flags.architectures) return listArchitectures(flags);
  const options = toPruneOptions(model, flags);
  let vocabularySize: number | undefined;
  await runWork(
    flags,
    async (watch) => {
      const result = await prune({ ...options, ...watch });
      // What a loss is worth depends on how many tokens there are to choose from.
      if (result.loss && !flags.json && !flags.quiet)
        vocabularySize = (await inspect({ prefill: { model: options.model } })).prefill.vocabularySize;
      return result;
    },
    (result) => renderPruned(result, visibleText(String(options.model)), vocabularySize),
  );
}

async function listArchitectures({ json }: PruneFlags): Promise<void> {
  const rows = prunableArchitectures();
  await write(process.stdout, `${json ? toJson(rows, 2) : renderArchitectures(rows)}\n`);
}
