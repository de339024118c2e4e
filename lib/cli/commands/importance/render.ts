/** What an importance matrix was measured on. */

import type { ImportanceMatrix } from "../../../prune/index.js";
import { formatCount } from "../../number-format.js";
import { quoted } from "../../shell-words.js";
import { prose } from "../../tables.js";

/** @param model what was measured, as the user named it */
export function renderMatrix(matrix: ImportanceMatrix, model: string): string {
  const { path, tensors, samples, window, unseenMatrices } = matrix;
  const lines = [
    `${path}: an importance matrix of ${formatCount(tensors)} tensors, from ${formatCount(samples)} samples of ${formatCount(window)} tokens.`,
  ];
  if (unseenMatrices > 0)
    lines.push(
      `No token came to ${formatCount(unseenMatrices)} of the experts' matrices, which are quantised as if all of their columns mattered alike: a longer text would help.`,
    );
  return [
    prose(lines.join("\n")),
    `Next: overfill quantize ${quoted(model)} -o FILE iq2_xs --importance ${quoted(path)}`,
  ].join("\n\n");
}
