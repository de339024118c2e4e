/** What `overfill prune` does: prunes with a progress bar, and tells what became of the model. */

import { type PrunableArchitecture, type PruneOptions, prunableArchitectures, prune } from "../prune/index.js";
import type { PruneFlags } from "./prune-command.js";
import { renderPruned } from "./prune-tables.js";
import { renderTable } from "./tables.js";
import { write } from "./terminal.js";
import { runWork } from "./work.js";

export async function runPrune(options: PruneOptions, flags: PruneFlags): Promise<void> {
  await runWork(
    flags,
    (watch) => prune({ ...options, ...watch }),
    (result) => renderPruned(result, String(options.model)),
  );
}

/** What `overfill prune --architectures` does. */
export async function listArchitectures({ json }: Pick<PruneFlags, "json">): Promise<void> {
  const rows = prunableArchitectures();
  await write(process.stdout, `${json ? JSON.stringify(rows, undefined, 2) : renderArchitectures(rows)}\n`);
}

export function renderArchitectures(architectures: readonly PrunableArchitecture[]): string {
  const rows = architectures.map(({ name, carrier, square }) => [
    name,
    carrier ?? name,
    square ? "together only" : "any",
  ]);
  return renderTable(["architecture", "at other widths written as", "width and heads"], rows);
}
