/** How well a translator was fitted, as tables. */

import type { TranslatorFit } from "../../../engine/index.js";
import { formatBytes, formatCount, formatMs } from "../../number-format.js";
import { prose } from "../../tables.js";
import { renderLayers, renderLosses } from "../../translator-tables.js";

const advice = "The maps do not lower the loss. More text of the right kind may help, or a larger --lambda.";

export function renderFit(result: TranslatorFit): string {
  const { fitTokens, heldOutTokens, path, sizeBytes, ms, loss } = result;
  const read = `Fitted to ${formatCount(fitTokens)} tokens, measured on ${formatCount(heldOutTokens)} others.`;
  const parts = [`${read}\n${renderLayers(result)}`];
  if (loss) parts.push(loss.mapped < loss.unmapped ? renderLosses(loss) : `${renderLosses(loss)}\n${prose(advice)}`);
  parts.push(`${path}: ${formatBytes(sizeBytes)}, in ${formatMs(ms)}`);
  return parts.join("\n\n");
}
