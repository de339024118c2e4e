/** A model's sizes before and after, and the files it was written to. */

import type { ModelSize, PruneResult } from "../prune/index.js";
import { formatBytes, formatCount, formatMs } from "./number-format.js";
import { renderTable } from "./tables.js";

export function renderSizes(
  before: ModelSize,
  after: ModelSize,
  architecture?: { readonly before: string; readonly after: string },
): string {
  const row = (what: string, value: (size: ModelSize) => string) => [what, value(before), value(after), ""];
  const change = (what: string, of: (size: ModelSize) => number, format: (value: number) => string) => [
    what,
    format(of(before)),
    format(of(after)),
    formatShare(of(after) / of(before)),
  ];
  const rows = [
    change("hidden size", ({ hiddenSize }) => hiddenSize, formatCount),
    change("feed-forward size", ({ feedForwardSize }) => feedForwardSize, formatCount),
    change("layers", ({ layers }) => layers, formatCount),
    row("heads, KV heads", ({ heads, kvHeads }) => `${heads}, ${kvHeads}`),
    change("parameters", ({ parameters }) => parameters, formatCount),
    change("weights", ({ sizeBytes }) => sizeBytes, formatBytes),
  ];
  if (architecture && architecture.before !== architecture.after)
    rows.unshift(["architecture", architecture.before, architecture.after, ""]);
  return renderTable(["", "before", "after", "left"], rows, [1, 2, 3]);
}

const formatShare = (share: number): string => `${(100 * share).toFixed(1)}%`;

export function renderFiles(
  { paths, type, ms }: Pick<PruneResult, "paths" | "type" | "ms">,
  after: Pick<ModelSize, "sizeBytes">,
): string {
  const files = paths.length > 1 ? `${paths[0]} to ${paths.at(-1)}` : paths[0];
  return `${files}: ${formatBytes(after.sizeBytes)} ${type === "same" ? "in the types they had" : `of ${type}`}, in ${formatMs(ms)}`;
}
