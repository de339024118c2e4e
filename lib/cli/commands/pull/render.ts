/** What `overfill pull` brought, and what to do with it. */

import type { PulledModel } from "../../hub/pull.js";
import { formatBytes } from "../../number-format.js";
import { commandLines, ownCommand, quoted } from "../../shell-words.js";
import { prose, renderList } from "../../tables.js";

export function renderPulled(models: readonly PulledModel[]): string {
  const isNew = (model: PulledModel) => model.files.some(({ downloadedBytes }) => downloadedBytes > 0);
  const rows = models.map((model) => {
    const parts = model.files.length === 1 ? "" : `, ${model.files.length} parts`;
    const fetched = isNew(model) ? "" : ", was there already";
    return [model.quantisation || "model", `${formatBytes(model.sizeBytes)}${parts}${fetched}`] as const;
  });
  const paths = models.map(({ path }) => `  ${path}`).join("\n");
  return `${renderList(rows)}\n\n${paths}\n\n${commandsToTry(models)}`;
}

/** The larger one reads, the smaller one writes. */
function commandsToTry(models: readonly PulledModel[]): string {
  const [reader, writer] = [...models].sort((a, b) => b.sizeBytes - a.sizeBytes).map(({ path }) => quoted(path));
  if (reader === undefined) return "";
  const flags = [`--prefill ${reader}`, ...(writer === undefined ? [] : [`--decode ${writer}`])];
  return [
    "Talk to it:",
    commandLines(`${ownCommand()} chat`, flags),
    prose(
      writer === undefined
        ? `${ownCommand()} suggest says whether another model here could write for it.`
        : `${ownCommand()} bench, with the same two flags, says whether they are worth being a pair on this machine.`,
    ),
  ].join("\n");
}

/** Behind the progress bar: `1.2 of 4.4 GiB, 35 MiB/s, model.gguf`. */
export function renderPullDetail(
  { doneBytes, totalBytes, file }: { readonly doneBytes: number; readonly totalBytes: number; readonly file: string },
  bytesPerSecond: number,
): string {
  const speed = bytesPerSecond > 0 ? `, ${formatBytes(bytesPerSecond)}/s` : "";
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}${speed}, ${file.split("/").at(-1)}`;
}
