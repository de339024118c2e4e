/** What quantising made of a model, as tables and sentences. */

import type { QuantizationKind, QuantizedTensor, QuantizeResult } from "../../../prune/index.js";
import { renderFiles } from "../../model-size-tables.js";
import { formatBytes, formatCount } from "../../number-format.js";
import { quoted } from "../../shell-words.js";
import { prose, renderTable } from "../../tables.js";

/** So many tensors are named where there are more. */
const mostNamed = 4;

/** @param model what was quantised, as the user named it */
export function renderQuantized(result: QuantizeResult, model: string): string {
  const { before, after, tensors, fallbacks, weightedTensors, paths } = result;
  const row = (what: string, was: string, is: string, share = "") => [what, was, is, share];
  const share = `${((100 * after.sizeBytes) / before.sizeBytes).toFixed(1)}%`;
  const sizes = [
    row("weights", formatBytes(before.sizeBytes), formatBytes(after.sizeBytes), share),
    row("bits a weight", before.bitsPerWeight.toFixed(2), after.bitsPerWeight.toFixed(2)),
  ];
  const parts = [renderTable(["", "before", "after", "left"], sizes, [1, 2, 3]), renderChanges(tensors)];
  const notes: string[] = [];
  if (weightedTensors !== undefined)
    notes.push(`${formatCount(weightedTensors)} tensors were quantised by the importance matrix.`);
  if (fallbacks.length > 0) notes.push(fallbackNote(fallbacks, tensors.length));
  if (notes.length > 0) parts.push(prose(notes.join("\n")));
  const made = quoted(paths[0] ?? "");
  parts.push(
    renderFiles(result.type === "copy" ? { ...result, type: "same" } : result, after),
    `Next: overfill run --prefill ${quoted(model)} --decode ${made} -p "..." writes with it on the original's KV cache.`,
  );
  return parts.join("\n\n");
}

/** How many tensors went from which type to which, the most bytes first: as often as not the interesting ones. */
function renderChanges(tensors: readonly QuantizedTensor[]): string {
  const counts = new Map<string, { readonly before: string; readonly after: string; count: number; weights: number }>();
  for (const { before, after, shape } of tensors) {
    const key = `${before} ${after}`;
    const entry = counts.get(key) ?? { before, after, count: 0, weights: 0 };
    entry.count++;
    entry.weights += shape.reduce((product, n) => product * n, 1);
    counts.set(key, entry);
  }
  const rows = [...counts.values()]
    .sort((a, b) => b.weights - a.weights)
    .map(({ before, after, count, weights }) => [before, after, formatCount(count), formatCount(weights)]);
  return renderTable(["type before", "after", "tensors", "weights"], rows, [2, 3]);
}

function fallbackNote(fallbacks: readonly QuantizedTensor[], total: number): string {
  const named = fallbacks
    .slice(0, mostNamed)
    .map(({ name, shape, wanted, after }) => `${name} (${shape[0]} columns: ${after} in place of ${wanted})`);
  const more = fallbacks.length > mostNamed ? ` and ${formatCount(fallbacks.length - mostNamed)} more` : "";
  return `${formatCount(fallbacks.length)} of ${formatCount(total)} tensors fell back to another type, because their rows are no multiple of its blocks: ${named.join(", ")}${more}.`;
}

export function renderTypes(kinds: readonly QuantizationKind[]): string {
  const rows = kinds.map(({ name, importance }) => [name, importance]);
  return renderTable(["type", "importance matrix"], rows);
}
