/** What `overfill inspect` does with a translator file. */

import type { TranslatorInfo, TranslatorModel } from "../../../engine/index.js";
import { UsageError } from "../../exit.js";
import { formatBytes, formatCount } from "../../number-format.js";
import { isStdout, writeOutput } from "../../outputs.js";
import { renderTable } from "../../tables.js";
import { write } from "../../terminal.js";
import { renderLayers, renderLosses } from "../../translator-tables.js";
import { toJson, visible } from "../../visible.js";
import type { InspectFlags } from "./flags.js";

/** Explains the translator on stdout, and draws its errors if a plot is asked for. */
export async function inspectTranslatorFile(info: TranslatorInfo, flags: InspectFlags): Promise<void> {
  if (flags.plot !== undefined) {
    const { drawLayerErrors } = await import("./plot.js");
    const svg = drawLayerErrors(info);
    if (svg === undefined) throw new UsageError(`--plot: ${info.path} has no errors to draw`);
    await writeOutput(flags.plot, svg);
    if (isStdout(flags.plot)) return;
  }
  const text = flags.json ? toJson(info, 2) : render(visible(info));
  await write(process.stdout, `${text}\n`);
}

const mapKinds: Readonly<Record<TranslatorInfo["maps"], string>> = {
  none: "a layer map only: K and V stay unchanged",
  common: "one linear map with bias per layer, for K and V alike",
  separate: "linear maps with bias per layer, one for K and one for V",
};

function render(info: TranslatorInfo): string {
  const facts = [
    ["file", info.path],
    ["size", formatBytes(info.sizeBytes)],
    ["prefill model", describeModel(info.source)],
    ["decode model", describeModel(info.target)],
    ["what it does", mapKinds[info.maps]],
  ];
  if (info.maps !== "none")
    facts.push(
      [
        "K is mapped",
        info.beforeRope ? "without its position encoding, which is applied again afterwards" : "as it is stored",
      ],
      ["weights", info.weightType],
      ["fitted to", info.fitTokens > 0 ? `${formatCount(info.fitTokens)} tokens` : "unknown"],
    );
  const parts = [renderTable(["", "translator"], facts)];
  if (info.layers.length > 0) parts.push(renderLayers(info));
  if (info.loss) parts.push(renderLosses(info.loss));
  return parts.join("\n\n");
}

function describeModel({ name, fingerprint }: TranslatorModel): string {
  if (fingerprint === "") return name === "" ? "any of the same shape" : `${name}, or any of the same shape`;
  return name === "" ? fingerprint : `${name} (${fingerprint})`;
}
